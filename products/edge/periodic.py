"""Periodic jobs of an edge's processes, and the signals that stop them.

A job that fails runs again in its time; its failure is logged until it is the same as before.
"""

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

log = logging.getLogger(__name__)

Job: TypeAlias = Callable[[], Awaitable[None]]


def start_periodic(*jobs: tuple[float, Job]) -> list[asyncio.Future[None]]:
    """Start jobs, each with the seconds between two runs."""
    return [asyncio.ensure_future(_run_periodically(*job)) for job in jobs]


async def cancel(jobs: Sequence[asyncio.Future[None]]) -> None:
    """Cancel jobs and wait until they have ended."""
    for job in jobs:
        job.cancel()
    await asyncio.gather(*jobs, return_exceptions=True)


def on_stop_signal(stop: Callable[[], None]) -> None:
    """Call `stop` on SIGTERM, SIGINT and SIGHUP, unless nohup has SIGHUP ignored."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN or number != signal.SIGHUP:
            asyncio.get_running_loop().add_signal_handler(number, stop)


async def _run_periodically(seconds: float, job: Job) -> None:
    before = ""
    while True:
        failure = ""
        try:
            await job()
        except Exception as error:
            failure = repr(error)
            if failure != before:
                # A disk or a program that does not answer is not a fault of this one.
                is_fault = not isinstance(error, OSError)
                log.error("A periodic job failed: %s", error, exc_info=is_fault)  # noqa: TRY400
        before = failure
        await asyncio.sleep(seconds)
