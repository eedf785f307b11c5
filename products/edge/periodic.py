"""Periodic jobs of an edge's processes. One that fails is logged, and runs again in its time."""

import asyncio
import logging
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


async def _run_periodically(seconds: float, job: Job) -> None:
    while True:
        try:
            await job()
        except Exception as error:
            # A disk or a program that does not answer is not a fault of this one.
            is_fault = not isinstance(error, OSError)
            log.error("A periodic job failed: %s", error, exc_info=is_fault)  # noqa: TRY400
        await asyncio.sleep(seconds)
