"""The Celery app. Its tasks are sweeps: they find due work in the database."""

import os

from celery import Celery
from celery.signals import beat_init, worker_init

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

app = Celery("tollgate")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@worker_init.connect
@beat_init.connect
def refuse_unsafe_start(**_: object) -> None:
    """In production, end worker and beat if a setting is unsafe."""
    from portal.checks import refuse_unsafe_production  # noqa: PLC0415 - needs loaded apps

    refuse_unsafe_production()
