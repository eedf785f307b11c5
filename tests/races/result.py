"""A process that counts what a race wrote to the database, and prints it as JSON."""

import json
from collections import Counter

from accounts.audit.models import AuditEvent
from accounts.audit.queries import verify
from products.enablement.models import Enablement


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
