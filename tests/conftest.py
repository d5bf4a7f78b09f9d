"""What every room of the tests shares: what this machine can do, and whether it may skip."""

import os
import shutil
import signal
import sys

import hypothesis
import pytest
from xdist.scheduler import LoadFileScheduling

# Debian keeps daemons in /usr/sbin, which a plain user's PATH lacks.
os.environ["PATH"] += ":/usr/sbin:/sbin"

# Who is started in the background ignores Ctrl-C, and so would every program of the tests.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# How long an example takes is the machine's affair.
hypothesis.settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("any machine")

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)


# Files of tests/host and tests/hub whose tests start boards, hubs or many commands and wait for
# them: `make check` leaves them out.
SLOW = set(
    """
    backup commands dashboard_cookies dashboard_process every_command flash_image fleet_logins
    fleet_run fleet_verify hostile_text hub hub_api image_command monitor orders orders_config
    orders_hub provision_class provision_one provision_problems rollout running_a_hub
    update_bundles
    """.split()  # noqa: SIM905
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.stem.removeprefix("test_") in SLOW:
            item.add_marker(pytest.mark.slow)


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("netns"):
        lacking = [p for p in ("ip", "dnsmasq", "udhcpc") if not shutil.which(p)]
        if sys.platform != "linux" or os.geteuid() != 0:
            pytest.skip("network namespaces need Linux and root")
        if lacking:
            pytest.skip(f"network namespaces need {', '.join(lacking)}: see mote doctor")
    if item.get_closest_marker("node") and not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("needs Node.js and npm: see mote doctor")
    if item.get_closest_marker("browser") and not CHROMIUM:
        pytest.skip("needs Chromium: see mote doctor")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo):
    report = yield
    # In CI a test that did not run is a promise that nobody checked.
    if report.skipped and os.environ.get("MOTE_NO_SKIP") and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, which is not allowed here: {report.longrepr}"
    return report


class _OneStack(LoadFileScheduling):
    """A file is one process's, and all files that share the backend on Docker are together."""

    def _split_scope(self, nodeid: str) -> str:
        if nodeid.startswith("tests/stack/"):
            return "the stack"
        return super()._split_scope(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> LoadFileScheduling | None:
    return _OneStack(config, log) if config.getoption("dist") == "loadfile" else None


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of the browser that plays the phone. Tests that use it carry the mark `browser`."""
    assert CHROMIUM
    return CHROMIUM
