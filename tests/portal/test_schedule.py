"""The timetable names tasks that exist."""

import pytest

from portal.celery import app
from portal.schedule import SCHEDULE


@pytest.mark.parametrize("name", SCHEDULE)
def test_a_scheduled_task_exists(name):
    app.loader.import_default_modules()

    assert SCHEDULE[name]["task"] in app.tasks
