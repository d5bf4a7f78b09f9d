"""Runs the portal and the command `config` of the real firmware in a world that records.

Only the radio, the sockets, TLS and the time are fakes: requests, forms, the connection test, the
configuration and MQTT are the compiled firmware's. Every network lets the board in, every name
leads somewhere, and every server takes the login, unless a case says otherwise: what an attacker
could receive is received.

Arguments: the folder that the board sees as its flash, with the firmware in `fw` and the models of
the simulator in `models`. Standard input has one case a line, as JSON; `result <JSON>` on standard
output lists what was seen of it. Other lines are the board's log.
"""

import io
import json
import sys

# Ahead of the machine's own clock, by which asyncio takes in what is ready at once.
_AHEAD_MS = 1 << 26
# A step takes as long as a connection test with every time-out.
_STEP_MAX_MS = 600_000
_EAGAIN = 11
_TLS_REFUSED = -0x2700
# To CONNECT: let in, bad login, and an alert of TLS. Other servers say nothing.
_ANSWERS = {"works": b"\x20\x02\0\0", "refuses": b"\x20\x02\0\x05", "alert": b"\x15\3\1"}


class Module:
    """Stands for a module that only a board has."""

    def __init__(self, **names):
        for name in names:
            setattr(self, name, names[name])


class Clock:
    """Time that passes only while everybody waits. It is `time`, and the queue of asyncio."""

    map = True

    def __init__(self, native, core):
        self._native, self._core = native, core
        self.ticks_add, self.ticks_diff = native.ticks_add, native.ticks_diff
        self.gmtime, self.mktime = native.gmtime, native.mktime
        self.localtime = native.localtime
        self._ms = native.ticks_add(native.ticks_ms(), _AHEAD_MS)
        self._waiting = []

    def ticks_ms(self):
        return self._ms

    def ticks_us(self):
        return self._ms * 1000

    ticks_cpu = ticks_us

    def time(self):
        # The runtime's own is a float, a chip's is not.
        return int(self._native.time())

    def _set(self, unix_s, microsecond):
        """The RTC is set: the time servers of this world tell the time that it has."""

    def time_ns(self):
        return self._native.time_ns()

    def sleep_ms(self, pause_ms):
        self._ms = self._native.ticks_add(self._ms, int(pause_ms))

    def sleep(self, pause_s):
        self.sleep_ms(pause_s * 1000)

    def sleep_us(self, pause_us):
        self.sleep_ms(pause_us // 1000)

    def queue_read(self, stream):
        self._queue(stream, False)

    def queue_write(self, stream):
        self._queue(stream, True)

    def _queue(self, stream, writes):
        task = self._core.cur_task
        self._waiting.append((task, stream, writes))
        task.data = self

    def remove(self, task):
        self._waiting = [one for one in self._waiting if one[0] is not task]

    def wait_io_event(self, pause_ms):
        """The loop has nothing to do for so long, unless something is ready."""
        ready = [one for one in self._waiting if one[2] or one[1].readable()]
        for one in ready:
            self._waiting.remove(one)
            self._core._task_queue.push(one[0])
        if not ready and pause_ms > 0:
            self.sleep_ms(pause_ms)
        assert ready or pause_ms >= 0, "nothing is ever going to happen"


class World:
    """The radio and the networks around the board; `seen` is what came out of it."""

    def __init__(self):
        self.begin({})

    def begin(self, case):
        self.case = case
        self.secrets = [bytes.fromhex(one) for one in case.get("secrets", ())]
        self.seen = []
        self.step = 0
        self.ap = {}
        self.listening = {}
        self.names = {}
        self.nvs = {}
        self.station, self.reason = None, 1000

    def see(self, *what):
        self.seen.append((self.step,) + what)  # noqa: RUF005

    def found_in(self, data):
        return [i for i, secret in enumerate(self.secrets) if secret in data]

    def ask(self, operation, *arguments):
        """As the simulator's models ask their world."""
        handle = getattr(self, "_" + operation.replace(".", "_"), None)
        return handle(*arguments) if handle else None

    def _wlan_connect(self, name, key):
        name = bytes.fromhex(name) if name else b""
        key = bytes.fromhex(key) if key else b""
        self.see("join", name.hex(), key.hex())
        outcome = self._now("join")
        self.station = (name.hex(), key.hex()) if outcome == "works" else None
        self.reason = 1010 if self.station else {"absent": 201, "wrong": 202}.get(outcome, 203)

    def _now(self, what):
        """What the case says of this step, the last said for all that follow."""
        told = self.case.get(what) or ["works"]
        return told[min(self.step, len(told) - 1)]

    def _wlan_disconnect(self):
        self.station, self.reason = None, 1000

    def _wlan_isconnected(self, interface):
        return bool(self.station) and not interface

    def _wlan_status(self, interface):
        return self.reason

    def _wlan_rssi(self):
        return -50 if self.station else 0

    def _wlan_stations(self):
        return ["020000000001"]

    def _wlan_scan(self):
        return [[ssid, "020000000009", 1, -40 - i, mode, False]
                for i, (ssid, mode) in enumerate(self.case.get("air", ()))]  # fmt: skip

    def _wlan_ifconfig(self, interface):
        at = ("10.9.0.20", "255.255.255.0", "10.9.0.1", "10.9.0.1") if self.station else ("",) * 4
        return ("192.168.4.1", "255.255.255.0", "192.168.4.1", "") if interface else at

    def _wlan_configure(self, interface, settings):
        if interface:
            self.ap.update(settings)

    def _wlan_config(self, interface, name):
        if name == "mac":
            return "240ac4000010"
        value = self.ap.get(name)
        return value.encode().hex() if name == "ssid" else value

    def _wlan_active(self, interface):
        return True

    def _machine_reset_cause(self):
        return 1

    def _machine_unique_id(self):
        return "240ac4000010"

    def _rtc_memory(self):
        return ""

    def _pin_read(self, pin):
        return 1

    def address_of(self, host):
        """An address for every name, and the name of every address."""
        if host == "0.0.0.0" or all(part.isdigit() for part in host.split(".")):
            return host
        known = [at for at in self.names if self.names[at] == host]
        if known:
            return known[0]
        address = f"10.8.{len(self.names) // 250}.{len(self.names) % 250 + 1}"
        self.names[address] = host
        return address

    def server(self, stream):
        return Server(self, stream)


class Server:
    """The other end of a connection of the board: takes all that it is told, and answers MQTT."""

    def __init__(self, world, stream):
        self._world, self._stream = world, stream
        self._greeted = False

    def take(self, data, tls):
        host, port = self._stream.peer
        host = self._world.names.get(host, host)
        station = self._world.station or ("", "")
        self._world.see("sent", station[0], station[1], host, port, tls, data.hex())
        manner = self._world._now("server")
        if not self._greeted:
            self._greeted = True
            if data[0] == 0x10:
                answer = {
                    "works": b"\x20\x02\0\0",
                    "refuses": b"\x20\x02\0\x05",
                    "alert": b"\x15\3\1",
                }
                self._stream.inbox += answer.get(manner, b"")
                self._stream.ended = manner in ("closes", "alert")
            else:
                self._stream.inbox += b"\x15\3\3\0\2\2\x28"
        elif data[0] == 0xC0:
            self._stream.inbox += b"\xd0\0"
        elif data[0] == 0xE0:
            self._stream.ended = True


class Stream(io.IOBase):
    """A socket: of the board as a client, of a phone to the board, or one that listens."""

    def __init__(self, world, kind=1):
        self._world, self._datagrams = world, kind == 2
        self.inbox = b"" if kind != 2 else []
        self.ended = self.closed = False
        self.peer = None
        self.server = None
        self.phones = None
        # What a phone receives.
        self.answer = None

    def setsockopt(self, *_):
        pass

    def setblocking(self, flag):
        pass

    def settimeout(self, seconds):
        pass

    def bind(self, address):
        self._world.listening[(address[1], self._datagrams)] = self

    def listen(self, backlog=5):
        self.phones = []

    def accept(self):
        if not self.phones:
            raise OSError(_EAGAIN)
        return self.phones.pop(0), ("192.168.4.2", 50_000)

    def connect(self, address):
        self.peer = address[:2]
        if not self._datagrams:
            self.server = self._world.server(self)

    def readable(self):
        return bool(self.phones or self.inbox or self.ended or self.closed)

    def read(self, size=-1):
        if self.closed:
            raise OSError(9)
        if not self.inbox:
            return b"" if self.ended else None
        size = len(self.inbox) if size < 0 else size
        data, self.inbox = self.inbox[:size], self.inbox[size:]
        return data

    recv = read

    def readinto(self, buffer, *_):
        data = self.read(len(buffer))
        if not data:
            return 0 if data == b"" else None
        buffer[: len(data)] = data
        return len(data)

    def write(self, data, *_):
        return self.take(bytes(data), None)

    def send(self, data):
        if self._datagrams:
            self.sendto(data, self.peer)
        else:
            self.write(data)
        return len(data)

    sendall = send

    def take(self, data, tls):
        if self.closed:
            raise OSError(9)
        if self.answer is not None:
            self.answer.append(data)
        elif self.server:
            self.server.take(data, tls)
        return len(data)

    def sendto(self, data, address):
        data = bytes(data)
        station = self._world.station or ("", "")
        self._world.see("sent", station[0], station[1], address[0], address[1], None, data.hex())
        if address[1] == 5353:
            self.inbox += named(data, self._world)
        elif address[1] == 123:
            self.inbox.append(timed(data, self._world))

    def recvfrom(self, size):
        if self._datagrams and self.inbox:
            return self.inbox.pop(0), self.peer or ("10.9.0.1", 53)
        raise OSError(_EAGAIN)

    def close(self):
        self.closed = True

    def fileno(self):
        return -1

    def ioctl(self, request, argument):
        return 0


class Datagrams(Stream):
    """`recv` of a connected UDP socket."""

    def recv(self, size=-1):
        return self.recvfrom(size)[0]


class Secured(io.IOBase):
    """TLS over a stream: whose certificate counts is noted with all that goes through it."""

    def __init__(self, stream, context, host):
        self._stream = stream
        sums = sorted(context.sums)
        needed = context.verify_mode == 2
        self._tls = {"host": host, "ca": sums if needed else None}

    def readable(self):
        return self._stream.readable()

    def write(self, data, *_):
        if self._stream._world._now("tls") != "works":
            raise OSError(_TLS_REFUSED, "MBEDTLS_ERR_X509_CERT_VERIFY_FAILED")
        return self._stream.take(bytes(data), self._tls)

    def read(self, size=-1):
        return self._stream.read(size)

    def readinto(self, buffer, *_):
        return self._stream.readinto(buffer)

    def setblocking(self, flag):
        pass

    def close(self):
        self._stream.close()


class Context:
    """`ssl.SSLContext` as far as the firmware uses it."""

    def __init__(self, protocol):
        self.verify_mode = 2
        self.sums = []

    def load_verify_locations(self, cafile=None, cadata=None):
        import hashlib

        self.sums.append(hashlib.sha256(bytes(cadata)).digest().hex())

    def wrap_socket(self, sock, server_hostname=None, **_):
        return Secured(sock, self, server_hostname)


def named(packet, world):
    """Answers to a question by multicast DNS (RFC 1035): every name is there, and some servers."""
    at, labels = 12, []
    while packet[at]:
        labels.append(packet[at + 1 : at + 1 + packet[at]])
        at += 1 + packet[at]
    kind = packet[at + 2]
    name = str(b".".join(labels), "utf-8")
    answers = []
    if kind == 12:
        for instance, host, port in world.case.get("found", ()):
            whole = encoded(instance.encode(), *labels)
            answers.append(record(encoded(*labels), 12, whole))
            target = encoded(*host.encode().split(b"."))
            answers.append(record(whole, 33, bytes((0, 0, 0, 0, port >> 8, port & 255)) + target))
            answers.append(record(target, 1, packed(world.address_of(host))))
    elif kind == 1:
        answers.append(record(encoded(*labels), 1, packed(world.address_of(name))))
    return [b"\0\0\x84\0\0\0\0\1\0\0\0\0" + one for one in answers]


def encoded(*labels):
    return b"".join(bytes((len(one),)) + one for one in labels) + b"\0"


def packed(address):
    return bytes(int(part) for part in address.split("."))


def record(name, kind, data):
    return name + bytes((0, kind, 0, 1, 0, 0, 0, 60, len(data) >> 8, len(data) & 255)) + data


def timed(packet, world):
    """A time server's answer (RFC 4330)."""
    now = (clock.time() + 2_208_988_800) & 0xFFFFFFFF
    stamp = bytes((now >> 24, now >> 16 & 255, now >> 8 & 255, now & 255, 0, 0, 0, 0))
    return b"\x24\1\0\0" + bytes(20) + bytes(packet[40:48]) + stamp + stamp


class Files:
    """A folder of this machine as the board's flash.

    The runtime's own `VfsPosix` gives `rename` one buffer for both of its paths.
    """

    def __init__(self, vfs):
        self._vfs = vfs

    def rename(self, old, new):
        with self._vfs.open(old, "rb") as source, self._vfs.open(new, "wb") as target:
            target.write(source.read())
        self._vfs.remove(old)

    def __getattr__(self, name):
        return getattr(self._vfs, name)


def installed(world, core):
    """Put the fakes in the place of what a board has."""
    sys.modules["world"] = Module(
        ask=world.ask, to_hex=lambda data: data.hex(), from_hex=bytes.fromhex
    )
    sys.modules["idf_heap"] = Module(access_point_opened=lambda: None)
    sys.modules["time"] = clock
    sys.modules["neopixel"] = Module(NeoPixel=None)

    def made(family=2, kind=1, *_):
        return Datagrams(world, kind) if kind == 2 else Stream(world)

    sys.modules["socket"] = Module(
        socket=made, AF_INET=2, SOCK_STREAM=1, SOCK_DGRAM=2, SOL_SOCKET=1, SO_REUSEADDR=2,
        getaddrinfo=lambda host, port, *_: [(2, 1, 0, "", (world.address_of(host), port))],
    )  # fmt: skip
    sys.modules["ssl"] = Module(
        SSLContext=Context, PROTOCOL_TLS_CLIENT=1, CERT_NONE=0, CERT_REQUIRED=2
    )

    class Poll:
        def register(self, *_):
            pass

        def poll(self, _):
            return [True]

    sys.modules["select"] = Module(poll=Poll, POLLIN=1, POLLOUT=4)

    class NVS:
        def __init__(self, name):
            pass

        def get_i32(self, key):
            if key not in world.nvs:
                raise OSError(2)
            return world.nvs[key]

        def set_i32(self, key, value):
            world.nvs[key] = value

        set_blob = set_i32

        def get_blob(self, key, buffer):
            value = self.get_i32(key)
            buffer[: len(value)] = value
            return len(value)

        def erase_key(self, key):
            world.nvs.pop(key, None)

        def commit(self):
            pass

    room = [(300_000, 200_000, 100_000, 100_000)]
    sys.modules["esp32"] = Module(NVS=NVS, HEAP_DATA=4, idf_heap_info=lambda _: room)
    core.ticks, core._io_queue = clock.ticks_ms, clock


class Blank:
    """Stands for a page that nobody looks at: to make one takes longer than all the rest."""

    def __init__(self, *_):
        pass

    def pieces(self, *_):
        return ()

    def length(self, *_):
        return 0


async def portal_case(world, case):
    """Requests of phones to a portal, one after the other, and the start with what was saved."""
    import asyncio

    from mote import config
    from mote.portal import page as pages
    from mote.portal import site
    from mote.setup_network import Portal

    shown = pages.Page
    settings = None
    if case["stored"]:
        store(case["stored"])
        settings = config.load()
    before, hidden = content(config.PATH), None
    portal = Portal(settings, case["reason"], beside=case["beside"])
    await portal.open()
    for number, step in enumerate(case["steps"]):
        world.step = number
        if hidden is None:
            hidden = hidden_inputs(await asked(world, "GET", "/"))
        body = bytes.fromhex(step["body"])
        if step["hidden"]:
            body += hidden
        pages.Page = shown if step["shown"] else Blank
        answer = await asked(world, "POST", step["path"], body, step["headers"])
        pages.Page = shown
        world.see("answer", int(answer[9:12] or b"0"), world.found_in(answer))
        passed_ms = 0
        while portal.site.state == site.TRYING and passed_ms < _STEP_MAX_MS:
            await asyncio.sleep_ms(500)
            passed_ms += 500
        if step["shown"]:
            told = await asked(world, "GET", "/status") + await asked(world, "GET", "/progress")
            world.see("state", portal.site.state, world.found_in(told))
    portal.close()
    after = content(config.PATH)
    if after != before:
        world.step = len(case["steps"])
        world.see("saved", after)
        await start_anew()


async def asked(world, method, path, body=b"", headers=""):
    """What the portal answers to one request."""
    import asyncio

    phone = Stream(world)
    phone.answer = []
    head = f"{method} {path} HTTP/1.1\r\nHost: 192.168.4.1\r\n{headers}"
    if body or method == "POST":
        head += f"Content-Length: {len(body)}\r\n"
    phone.inbox = head.encode() + b"\r\n" + body
    phone.ended = True
    listener = world.listening[(80, False)]
    listener.phones.append(phone)
    while not phone.closed:
        await asyncio.sleep_ms(10)
    return b"".join(phone.answer)


def hidden_inputs(page):
    """The hidden inputs of the form on a page, as fields: what every browser sends back."""
    fields = {}
    at = page.find(b"<input")
    while at >= 0:
        tag = page[at : page.find(b">", at)]
        if b'type="hidden"' in tag or b"type=hidden" in tag:
            fields[attribute(tag, b"name")] = attribute(tag, b"value")
        at = page.find(b"<input", at + 1)
    return b"".join(b"&%s=%s" % (name, fields[name]) for name in fields)


def attribute(tag, name):
    value = tag[tag.find(b" " + name + b"=") + len(name) + 2 :]
    if value[:1] == b'"':
        return value[1:].split(b'"')[0]
    return value.split(b" ")[0]


async def config_case(world, case):
    """Commands `config`, one after the other, and the start after each that was accepted."""
    import asyncio

    from mote import config, probation
    from mote.commands import Commands
    from mote.orders import Orders

    answers = []

    async def post(text):
        answers.append(text)
        return 0

    store(case["stored"])
    for number, payload in enumerate(case["payloads"]):
        world.step = number
        answers.clear()
        orders = Orders(config.load(), None, lambda *_: None)
        before = content(config.PATH)
        await Commands(orders.handlers, post).received(bytes.fromhex(payload))
        await asyncio.sleep_ms(100)
        told = "".join(answers)
        world.see("answer", '"ok": true' in told, world.found_in(told.encode()), told)
        after = content(config.PATH)
        if after == before:
            continue
        world.see("saved", after)
        try:
            config.load()
        except config.ConfigError as error:
            # As the start after it does.
            probation.failed(str(error))
            continue
        await start_anew()
        probation.passed()
        probation.told()


async def start_anew():
    """What a start with the saved configuration does to get online, with each of its networks."""
    from mote import certificate_time, config
    from mote.failure import Failure
    from mote.mqtt import connecting
    from mote.wifi import joining, station

    settings = config.load()
    for one in settings["wifi"]:
        try:
            await joining.join([one])
            await certificate_time.ensure(settings)
            client = await connecting.log_in(settings)
            await client.disconnect()
        except Failure:
            pass
        station.leave()


def store(document):
    from mote import config

    config.erase()
    with open(config.PATH, "w") as file:  # noqa: PTH123
        file.write(document)


def content(path):
    try:
        with open(path) as file:  # noqa: PTH123
            return file.read()
    except OSError:
        return ""


async def cases(world):
    import asyncio

    from mote import config, memory, schema

    # What is forgotten for want of memory would be loaded anew for each of so many, and the schema
    # read anew.
    memory.forget = memory.discard = lambda *_: None
    memory.free_heap = lambda: 0
    with open(config._SCHEMA) as file:  # noqa: PTH123
        rules = json.load(file)
    schema.check_text = lambda text, value: schema.check(rules, value)
    schema.fill_text = lambda text, value: schema.fill(rules, value)
    kinds = {"portal": portal_case, "config": config_case}
    while line := sys.stdin.readline():
        case = json.loads(line)
        world.begin(case)
        config.erase()
        failure = ""
        try:
            await kinds[case["kind"]](world, case)
        except Exception as error:
            text = io.StringIO()
            sys.print_exception(error, text)
            failure = text.getvalue()
        # What is left of this case ends.
        await asyncio.sleep_ms(30_000)
        print("result " + json.dumps({"seen": world.seen, "failure": failure}))


def main():
    global clock
    import asyncio.core
    import asyncio.stream
    import time

    import vfs

    core = asyncio.core
    folder = sys.argv[1]
    clock = Clock(time, core)
    world = World()
    installed(world, core)
    # The firmware sees nothing of this machine but the folder.
    vfs.umount("/")
    vfs.mount(Files(vfs.VfsPosix(folder)), "/")
    sys.path[:] = ["/models", "/fw", "/umqtt", ".frozen"]
    from mote import log

    log.set_level("D")
    asyncio.run(cases(world))


if __name__ == "__main__":
    main()
