"""Counts what a race wrote to the database: `python -m tests.races.result ACCOUNT` prints JSON."""

import json
import os
import sys
from collections import Counter

import django

os.environ["DJANGO_SETTINGS_MODULE"] = "portal.settings"
django.setup()

from accounts.audit.models import AuditEvent  # noqa: E402 - Django must be set up before
from accounts.audit.queries import verify  # noqa: E402
from products.enablement.models import Enablement  # noqa: E402


def main(account_id: str) -> None:
    """Count the account's events and enablements, and verify its chain."""
    events = AuditEvent.objects.filter(account_id=account_id).order_by("sequence")
    enablements = Enablement.objects.filter(account_id=account_id)
    verification = verify(account_id)
    found = {
        "events": Counter(events.values_list("action", flat=True)),
        "enablements": enablements.count(),
        "open": enablements.filter(ends_at=None).count(),
        "is_valid": verification.is_valid,
        "checked": verification.checked,
    }
    print(json.dumps(found))  # noqa: T201 - the test that started this reads it


if __name__ == "__main__":
    main(sys.argv[1])
