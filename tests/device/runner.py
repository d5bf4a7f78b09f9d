"""Runs the `test_*` functions of one module on MicroPython and prints one JSON result a line.

Arguments: the folders for sys.path, then `--`, then the module's name.
"""

import io
import json
import sys

split = sys.argv.index("--")
sys.path[:0] = sys.argv[1:split]
module = __import__(sys.argv[split + 1])
for name in sorted(dir(module)):
    if not name.startswith("test_"):
        continue
    result = {"test": name, "failure": None}
    try:
        outcome = getattr(module, name)()
        if hasattr(outcome, "send"):
            import asyncio

            asyncio.run(outcome)
            asyncio.new_event_loop()
    except Exception as error:
        trace = io.StringIO()
        sys.print_exception(error, trace)
        result["failure"] = trace.getvalue()
    print("result " + json.dumps(result))
