"""The timetable names tasks that exist, and does not depend on the wall clock."""

import time
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from celery.beat import ScheduleEntry

from portal import schedule
from portal.celery import app
from portal.schedule import SCHEDULE


@pytest.mark.parametrize("name", SCHEDULE)
def test_a_scheduled_task_exists(name):
    app.loader.import_default_modules()

    assert SCHEDULE[name]["task"] in app.tasks


@pytest.mark.parametrize(
    ("name", "seconds"),
    [("deliver-webhooks", 60), ("rebuild-usage", 600), ("delete-old-usage", 86400)],
)
def test_a_message_expires_after_its_interval_but_not_within_a_minute(name, seconds):
    assert app.conf.beat_schedule[name]["options"] == {"expires": seconds}


def test_a_clock_that_is_set_back_delays_no_task(monkeypatch):
    entry = ScheduleEntry("send-mail", app=app, **app.conf.beat_schedule["send-mail"])
    hour_ago = datetime.now(UTC) - timedelta(hours=1)
    monkeypatch.setattr(app, "now", lambda: hour_ago)
    later = SimpleNamespace(monotonic=lambda: time.monotonic() + 6)
    monkeypatch.setattr(schedule, "time", later)

    assert entry.is_due().is_due
