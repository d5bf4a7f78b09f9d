"""`ntptime` of the port: one question to a time server (RFC 5905), the answer into the RTC."""

import socket
import time

host = "pool.ntp.org"
timeout = 1
_NTP_2000 = 3_155_673_600


def settime():
    import machine

    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        s.settimeout(timeout)
        s.sendto(b"\x1b" + bytes(47), socket.getaddrinfo(host, 123)[0][-1])
        answer = s.recv(48)
    finally:
        s.close()
    seconds = int.from_bytes(answer[40:44], "big") - _NTP_2000
    now = time.gmtime(seconds)
    machine.RTC().datetime((now[0], now[1], now[2], now[6] + 1, now[3], now[4], now[5], 0))
