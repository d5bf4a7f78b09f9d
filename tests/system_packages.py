"""Brings the programs that the tests need: installs them on Debian and Ubuntu, else names them."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

TABLE = Path(__file__).parents[1] / "provisioning" / "system-packages.toml"


def missing() -> list[dict[str, str]]:
    # Debian keeps daemons in /usr/sbin, which a plain user's PATH lacks.
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    entries = tomllib.loads(TABLE.read_text(encoding="utf-8")).values()
    return [
        entry
        for entry in entries
        if entry["needed_for"] == "tests" and not shutil.which(entry["program"], path=path)
    ]


def root_prefix() -> list[str] | None:
    """How to run a command as root without a question, or None."""
    if os.geteuid() == 0:
        return []
    if (
        shutil.which("sudo")
        and subprocess.run(["sudo", "-n", "true"], capture_output=True).returncode == 0
    ):
        return ["sudo", "-n"]
    return None


def main() -> int:
    entries = missing()
    if not entries:
        return 0
    prefix = root_prefix()
    if shutil.which("apt-get") and prefix is not None:
        packages = sorted({entry["debian"] for entry in entries})
        print(f"Installing for the tests: {' '.join(packages)}", flush=True)
        environment = [*prefix, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq"]
        install = [*environment, "install", "-y", "--no-install-recommends", *packages]
        log = subprocess.PIPE
        done = subprocess.run(install, stdout=log, stderr=subprocess.STDOUT, text=True)
        if done.returncode:
            # A machine that has never asked, or long ago, has no or an old list of packages.
            subprocess.run([*environment, "update"], stdout=log, stderr=subprocess.STDOUT)
            done = subprocess.run(install, stdout=log, stderr=subprocess.STDOUT, text=True)
        if done.returncode:
            print(done.stdout, file=sys.stderr)
        entries = missing()
    for entry in entries:
        brew = f" (macOS: brew install {entry['homebrew']})" if "homebrew" in entry else ""
        print(
            f"Missing: {entry['program']}: {entry['without']}. "
            f"Debian, Ubuntu: sudo apt install {entry['debian']}{brew}",
            file=sys.stderr,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
