"""Fuzzing of the portal's parsers: DNS packets, HTTP requests and forms from an open network.

First libFuzzer looks for ways through them on CPython; what it found, and a million damaged
relatives of it, then go through the compiled firmware on MicroPython with a heap like a board's.
All that was found stays in build/fuzz, where the next run begins: what broke a parser breaks the
next run at once, until it is mended.
"""

import hashlib
import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import seeds

NAMES = ("dns_fuzz_packets", "http_fuzz_requests", "fuzz_crashes", "fuzz_heap_growth")

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
FOLDER = ROOT / "build" / "fuzz"
RUNTIME = Path(sys.executable).with_name("micropython")
HEAP = "220k"
# libFuzzer takes 0 for no end.
SECONDS = max(1, int(os.environ.get("MOTE_FUZZ_SECONDS", "60")))
DNS_PACKETS = 1_000_000
HTTP_REQUESTS = 200_000
GROWTH_MAX = 2048
TIMEOUT_S = 480
SEED = 1


def run(figure: Callable[[str, float, str], None]) -> None:
    with ThreadPoolExecutor(2) as pool:
        crashes = sum(pool.map(guided, ("dns", "http")))
        done = list(pool.map(on_device, ("dns", "http"), (DNS_PACKETS, HTTP_REQUESTS)))
    (packets, dns_crashes, dns_growth), (requests, http_crashes, http_growth) = done
    crashes += dns_crashes + http_crashes
    growth = max(dns_growth, http_growth)
    figure("dns_fuzz_packets", packets, "")
    figure("http_fuzz_requests", requests, "")
    figure("fuzz_crashes", crashes, "")
    figure("fuzz_heap_growth", growth, "B")
    assert not crashes, f"{crashes} inputs break a parser: see above"
    assert growth <= GROWTH_MAX, f"the parsers keep {growth} bytes of the heap"


def guided(target: str) -> int:
    """Extend the corpus of `target` with coverage as the guide; the count of crashes, 0 or 1."""
    corpus = FOLDER / target
    corpus.mkdir(parents=True, exist_ok=True)
    for data in {"dns": seeds.dns, "http": seeds.http}[target]():
        _keep(target, "", data)
    if not importlib.util.find_spec("atheris"):
        print(f"# {target}: no Atheris for this machine, the seeds have to do", flush=True)
        return 0
    flags = [
        f"-max_total_time={SECONDS}",
        f"-seed={SEED}",
        "-timeout=10",
        "-print_final_stats=1",
        f"-artifact_prefix={corpus}/",
    ]
    done = subprocess.run(
        [sys.executable, str(HERE / "fuzz_targets.py"), target, *flags, str(corpus)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=SECONDS + 120,
    )
    lines = done.stdout.splitlines()
    if done.returncode:
        # The traceback and the path of the input, which libFuzzer says last.
        print(*lines[-40:], sep="\n", flush=True)
        return 1
    inputs = next(line.split()[-1] for line in lines if "number_of_executed_units" in line)
    kept = len(list(corpus.iterdir()))
    print(f"# {target}: {inputs} inputs guided by coverage, {kept} kept", flush=True)
    return 0


def on_device(target: str, count: int) -> tuple[int, int, int]:
    """Inputs, crashes and growth of the heap of `target` on MicroPython."""
    from motekit import boards, firmware

    corpus = FOLDER / f"{target}.corpus"
    inputs = [path.read_bytes() for path in sorted((FOLDER / target).iterdir())]
    corpus.write_bytes(b"".join(len(one).to_bytes(2, "big") + one for one in inputs))
    tree = firmware.build(boards.default_for("esp32"), lean=False)
    paths = [str(HERE), str(tree / firmware.SLOT)]
    command = [str(RUNTIME), "-X", f"heapsize={HEAP}", str(HERE / "fuzz_on_device.py"), *paths]
    done = subprocess.run(
        [*command, "--", target, str(corpus), str(count), str(SEED)],
        stdout=subprocess.PIPE,
        text=True,
        timeout=TIMEOUT_S,
        env={**os.environ, "MICROPYPATH": ".frozen"},
    )
    *before, last = done.stdout.splitlines() or [""]
    for line in before:
        if line.startswith("crash "):
            line = f"# {target}: {_keep(target, 'crash-', bytes.fromhex(line[6:]))}"
        print(line, flush=True)
    if done.returncode or not last.startswith("done "):
        print(last, f"# {target}: the runtime ended with {done.returncode}", sep="\n", flush=True)
        return 0, 1, 0
    parsed, crashes, growth = map(int, last.split()[1:])
    return parsed, crashes, growth


def _keep(target: str, kind: str, data: bytes) -> Path:
    """Put an input into the corpus, under the name that libFuzzer would give it."""
    path = FOLDER / target / (kind + hashlib.sha1(data).hexdigest())
    path.write_bytes(data)
    return path
