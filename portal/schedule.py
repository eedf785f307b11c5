"""The schedule of Celery beat: every task with its interval in seconds."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

from celery.schedules import schedule

# A message is discarded unread when the next one has long been sent: while a sweep takes long,
# or no worker runs, messages that ask for the same work do not pile up. Below a minute, clocks of
# machines that differ by seconds, or a short queue, would discard every message.
MIN_EXPIRY_SECONDS = 60.0

_STARTED_AT = datetime.now(UTC)
_STARTED_MONOTONIC = time.monotonic()

SCHEDULE: dict[str, dict[str, Any]] = {
    "make-notices": {"task": "accounts.tasks.make_notices", "schedule": 5.0},
    "send-mail": {"task": "accounts.tasks.send_mail", "schedule": 5.0},
    "check-tokens": {"task": "accounts.tasks.check_tokens", "schedule": 600.0},
    "delete-old-responses": {
        "task": "accounts.tasks.delete_old_responses",
        "schedule": 3600.0,
    },
    "apply-retention": {
        "task": "accounts.tasks.apply_retention",
        "schedule": 3600.0,
    },
    "delete-old-usage": {
        "task": "products.billing.tasks.delete_old_usage",
        "schedule": 86400.0,
    },
    "sweep-domain-claims": {
        "task": "products.domains.tasks.sweep_claims",
        "schedule": 60.0,
    },
    "deliver-webhooks": {
        "task": "products.webhooks.tasks.deliver",
        "schedule": 2.0,
    },
    "remove-old-deliveries": {
        "task": "products.webhooks.tasks.remove_old",
        "schedule": 3600.0,
    },
    "check-edges": {
        "task": "products.metering.tasks.check_edges",
        "schedule": 30.0,
    },
    "presume-closed": {
        "task": "products.metering.tasks.presume_closed",
        "schedule": 30.0,
    },
    "rebuild-usage": {
        "task": "products.metering.tasks.rebuild_usage",
        "schedule": 600.0,
    },
    "check-trials": {
        "task": "products.enablement.tasks.check_trials",
        "schedule": 60.0,
    },
    "refresh-bills": {
        "task": "products.billing.tasks.refresh_bills",
        "schedule": 600.0,
    },
    "close-months": {
        "task": "products.billing.tasks.close_months",
        "schedule": 3600.0,
    },
}


def beat_schedule() -> dict[str, dict[str, Any]]:
    """Return the schedule for beat, which measures its intervals with the time that it is given.

    By the wall clock, no task would be due for an hour after the clock was set back by an hour.
    """
    return {
        name: entry
        | {
            "schedule": schedule(
                timedelta(seconds=entry["schedule"]), nowfun=_advancing_time
            ),
            "options": {"expires": max(entry["schedule"], MIN_EXPIRY_SECONDS)},
        }
        for name, entry in SCHEDULE.items()
    }


def _advancing_time() -> datetime:
    """Return the time since the start, added to the wall clock's time at the start."""
    return _STARTED_AT + timedelta(seconds=time.monotonic() - _STARTED_MONOTONIC)
