"""Jobs of the agent that are done again and again, whatever becomes of one go."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

from products.edge.haproxy.master_socket import HAProxyUnreachable

log = logging.getLogger(__name__)

Job: TypeAlias = Callable[[], Awaitable[None]]


def recurring(*jobs: tuple[float, Job]) -> list[asyncio.Future[None]]:
    """Start jobs, each with the seconds of its pauses."""
    return [asyncio.ensure_future(_every(seconds, job)) for seconds, job in jobs]


async def cancel(jobs: Sequence[asyncio.Future[None]]) -> None:
    """End jobs and wait for their end."""
    for job in jobs:
        job.cancel()
    await asyncio.gather(*jobs, return_exceptions=True)


async def _every(seconds: float, job: Job) -> None:
    while True:
        await asyncio.sleep(seconds)
        try:
            await job()
        except HAProxyUnreachable as error:
            log.warning("HAProxy does not answer: %s", error)
        except Exception:
            log.exception("A recurring job failed.")
