"""What runs when, on one page: the timetable of Celery beat."""

from typing import Any

SCHEDULE: dict[str, dict[str, Any]] = {
    "send-mail": {"task": "accounts.tasks.send_mail", "schedule": 5.0},
}
