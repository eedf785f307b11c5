"""Entries of an account's audit trail, for comparisons."""

from typing import Any

from accounts.audit.models import AuditEvent


def noted(account_id: str) -> list[str]:
    """Return the names of an account's events, in order."""
    events = AuditEvent.objects.filter(account_id=account_id).order_by("sequence")
    return list(events.values_list("action", flat=True))


def last_entry(account_id: str) -> dict[str, Any]:
    """Return the fields of an account's last entry that a command decides."""
    event = AuditEvent.objects.filter(account_id=account_id).order_by("sequence").last()
    assert event is not None, "nothing was noted"
    fields = ("action", "target", "service_id", "before", "after", "outcome")
    return {field: event.body[field] for field in fields}
