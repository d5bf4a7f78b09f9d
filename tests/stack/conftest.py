"""The tests share one engine and one stack: the project's own compose files, started once."""

from collections.abc import Iterator
from pathlib import Path

import engine
import local_images
import pytest
from running_stack import CORE, VALUES, RunningStack

# Of a test, with the stack that it may have to start: many waits, each as long as a busy machine
# may need. Nothing is compiled or fetched here: `make engines` has done that.
LIMIT_S = 1500


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents and item.get_closest_marker("stack"):
            item.add_marker(pytest.mark.timeout(LIMIT_S))


@pytest.fixture(scope="session")
def docker() -> Iterator[None]:
    """Docker Engine and Compose."""
    reason = engine.lacking()
    if reason:
        pytest.skip(reason)
    with engine.running():
        yield


@pytest.fixture(scope="session")
def images(docker: None) -> None:
    """The images of the services that can be had."""
    local_images.bring()


@pytest.fixture(scope="session")
def stack(images: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """The running stack: of profile `full` all that has an image here which is built in seconds."""
    running = RunningStack(tmp_path_factory.mktemp("stack") / "state", [*CORE, *VALUES], "full")
    running.start()
    yield running
    running.stop()
