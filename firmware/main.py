"""Starts Mote. Ctrl-C leads to the REPL; anything else that ends it restarts the board."""

try:
    from mote import app

    app.main()
except KeyboardInterrupt:
    print("I 0 app: stopped by Ctrl-C; restart with machine.reset()")
except BaseException as error:
    # Even a half-copied firmware must not leave the board in the REPL for good.
    import sys
    import time

    import machine

    sys.print_exception(error)
    print("E 0 app: restarting in 10 s, Ctrl-C stops it")
    time.sleep(10)
    machine.reset()
