"""Reads the committed trail of an account in the order of its sequence, which has no gaps.

Checks no permission, like `queries`. On PostgreSQL the ids of rows do not become visible in order,
so a reader remembers a sequence per account and never an id.
"""

from accounts.audit.models import AuditEvent

MAX_SEQUENCE = 2**63 - 1  # of the database column


def entries_after(account_id: str, sequence: int, *, limit: int) -> list[AuditEvent]:
    """Return the account's next entries after a sequence, oldest first, at most `limit`."""
    entries = AuditEvent.objects.filter(account_id=account_id, sequence__gt=sequence)
    return list(entries.order_by("sequence")[:limit])
