"""Periodic jobs: a failure ends none, and is logged until it is the same as before."""

import asyncio
import os
import signal

import pytest

from products.edge.periodic import cancel, on_stop_signal, start_periodic

A, B = OSError("a"), OSError("b")


async def run(*results):
    """Run a job that fails with each of the results that is an error."""
    left, has_ended = list(results), asyncio.Event()

    async def job():
        if not left:
            has_ended.set()
        elif (error := left.pop(0)) is not None:
            raise error

    jobs = start_periodic((0.0, job))
    async with asyncio.timeout(20):
        await has_ended.wait()
    await cancel(jobs)


@pytest.mark.parametrize(
    ("results", "logged"),
    [
        ([A, A, A], ["a"]),
        ([A, B, A], ["a", "b", "a"]),
        ([A, None, A], ["a", "a"]),
        ([None, None], []),
    ],
)
async def test_a_failure_is_logged_unless_it_is_the_same_as_before(
    results, logged, caplog
):
    await run(*results)

    assert caplog.messages == [f"A periodic job failed: {one}" for one in logged]


@pytest.fixture
def hangups():
    """Restore how this process handles SIGHUP."""
    before = signal.getsignal(signal.SIGHUP)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
async def test_a_signal_stops_a_process_in_order(number, hangups):
    stop = asyncio.Event()
    on_stop_signal(stop.set)

    os.kill(os.getpid(), number)

    async with asyncio.timeout(20):
        await stop.wait()
    for each in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        asyncio.get_running_loop().remove_signal_handler(each)


async def test_a_process_that_nohup_started_does_not_stop_on_a_hangup(hangups):
    signal.signal(signal.SIGHUP, signal.SIG_IGN)

    on_stop_signal(lambda: None)

    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    for each in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().remove_signal_handler(each)
