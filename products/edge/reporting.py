"""Reports usage again and again, for as long as an edge runs: both engines' way."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable

from products.edge.portal_client import PortalErrorResponse, PortalUnreachable
from products.edge.usage.reporter import Reporter

log = logging.getLogger(__name__)

_MAX_PAUSE_SECONDS = 15.0
_LAST_REPORT_SECONDS = 5.0


class ReportLoop:
    """When a reporter runs."""

    def __init__(
        self,
        reporter: Reporter,
        seconds: float,
        *,
        when_run: Callable[[], None] = lambda: None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Run it every so many `seconds`; `when_run` is called after each time."""
        self._reporter = reporter
        self._seconds = seconds
        self._longest = max(seconds, _MAX_PAUSE_SECONDS)
        self._when_run = when_run
        self._sleep = sleep

    async def forever(
        self, is_live: Callable[[str], bool], is_writable: Callable[[], bool]
    ) -> None:
        """Report until cancelled, with longer pauses while nothing arrives.

        Where a part arrived the portal is there, and the rest has waited long enough.
        Both functions are called before each report.
        """
        pause = self._seconds
        while True:
            answers = self._reporter.answers
            is_well = await self._once(is_live, is_writable=is_writable())
            if self._reporter.answers > answers or is_well:
                pause = self._seconds
            else:
                pause = min(2 * pause, self._longest)
            await self._sleep(pause)

    async def last(self, is_live: Callable[[str], bool], *, is_writable: bool) -> None:
        """Report once more, within a few seconds."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(
                self._once(is_live, is_writable=is_writable), _LAST_REPORT_SECONDS
            )

    async def _once(self, is_live: Callable[[str], bool], *, is_writable: bool) -> bool:
        is_well = False
        try:
            await asyncio.to_thread(
                self._reporter.run, is_live, is_writable=is_writable
            )
            is_well = True
        except (PortalUnreachable, PortalErrorResponse) as error:
            log.info("Usage waits in the store: %s", error)
        except Exception:  # a disk's, or our own: no fault may end all reports to come
            log.exception("The report could not be made.")
        self._when_run()
        return is_well
