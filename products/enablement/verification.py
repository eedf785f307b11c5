"""Compares what accounts agreed to with the entries of the trail that keep the hashes (R5)."""

from accounts.audit.models import AuditEvent
from accounts.audit.verification import BrokenChainError
from accounts.audit.vocabulary import Event
from products.enablement.agreements import text_hash
from products.enablement.models import Enablement


def verify_agreements(account_id: str) -> None:
    """Check that every enablement has the record and the sentence that its entry is about.

    Raises BrokenChainError with the number of the first entry whose enablement is missing or
    differs, and without a number for an agreement that no entry is about.
    """
    rows = {row.pk: row for row in Enablement.objects.filter(account_id=account_id)}
    entries = AuditEvent.objects.filter(
        account_id=account_id, action=Event.PRODUCT_ENABLED
    )
    for entry in entries.order_by("sequence").iterator():
        after = entry.body.get("after") or {}
        if "enablement" not in after:
            continue
        row = rows.pop(str(after["enablement"]), None)
        if row is None:
            raise BrokenChainError(entry.sequence, "the enablement it names is missing")
        noted = (
            entry.body.get("agreed_text_hash", ""),
            after.get("agreed_record_hash", ""),
        )
        if noted != _hashes(row) or not is_as_agreed(row):
            raise BrokenChainError(
                entry.sequence, "the agreement is not the one that was agreed to"
            )
    unnoted = next((row for row in rows.values() if row.agreed_text_hash), None)
    if unnoted is not None:
        raise BrokenChainError(
            None, f"no entry is about the agreement of enablement {unnoted.pk}"
        )


def is_as_agreed(enablement: Enablement) -> bool:
    """Tell whether the sentence and the record of an enablement give the hashes kept with them."""
    texts = (enablement.agreed_text, enablement.agreed_record)
    return _hashes(enablement) == tuple(
        text_hash(each) if each else "" for each in texts
    )


def _hashes(row: Enablement) -> tuple[str, str]:
    return row.agreed_text_hash, row.agreed_record_hash
