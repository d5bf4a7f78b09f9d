"""Background work that fails is logged with its traceback and goes on."""

import asyncio
import logging

import pytest
from motekit import supervision
from motekit.supervision import Supervisor

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervision, "PAUSE_MIN_S", 0.01)
    monkeypatch.setattr(supervision.Backoff.__init__, "__defaults__", (0.01, 0.1))


def tracebacks(caplog: pytest.LogCaptureFixture, name: str) -> list[str]:
    return [r.exc_text or "" for r in caplog.records if name in r.getMessage()]


async def test_kept_work_goes_on_after_an_exception(caplog: pytest.LogCaptureFixture) -> None:
    turns: list[int] = []
    done = asyncio.Event()

    async def work() -> None:
        turns.append(1)
        if len(turns) < 3:
            raise ZeroDivisionError(f"turn {len(turns)}")
        done.set()
        await asyncio.Event().wait()

    supervisor = Supervisor()
    task = supervisor.keep("the worker", work)
    with caplog.at_level(logging.ERROR):
        await asyncio.wait_for(done.wait(), 60)
    found = tracebacks(caplog, "the worker failed")
    assert len(found) == 2 and "ZeroDivisionError: turn 1" in found[0] and "work" in found[0]
    await supervisor.stop()
    assert task.cancelled()


async def test_work_that_is_done_once_is_logged_and_nobody_else_ends() -> None:
    supervisor = Supervisor()

    async def fails() -> None:
        raise RuntimeError("once")

    other = supervisor.keep("other", asyncio.Event().wait)  # type: ignore[arg-type]
    await supervisor.start("single", fails())
    assert not other.done()
    await supervisor.stop()


async def test_a_thread_that_fails_is_started_again(caplog: pytest.LogCaptureFixture) -> None:
    turns: list[int] = []

    def work() -> None:
        turns.append(1)
        if len(turns) == 1:
            raise OSError("away")

    with caplog.at_level(logging.ERROR):
        supervision.keep_in_thread("reader", work).join(60)
    assert len(turns) == 2 and "OSError: away" in tracebacks(caplog, "reader failed")[0]


async def test_a_callback_that_fails_does_not_reach_the_library(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def callback(number: int, *, divisor: int) -> None:
        raise ValueError(number // divisor)

    with caplog.at_level(logging.ERROR):
        supervision.guarded("on_message", callback)(4, divisor=2)
    assert "ValueError: 2" in tracebacks(caplog, "on_message failed")[0]


def test_pauses_grow_to_the_greatest() -> None:
    backoff = supervision.Backoff(1.0, 8.0)
    assert [backoff.pause_s() for _ in range(5)] == [1, 2, 4, 8, 8]
