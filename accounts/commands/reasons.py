"""The reason that staff and superusers give for a change: one rule for every command."""

from accounts.errors import Invalid
from accounts.models import MAX_REASON_LENGTH


def clean_reason(reason: str, *, required: bool = True) -> str:
    """Return a reason without surrounding blanks.

    Raises Invalid if it is too long, or empty although it is required.
    """
    reason = reason.strip()
    if required and not reason:
        raise Invalid(
            "Enter a reason. The account's members can read it.", field="reason"
        )
    if len(reason) > MAX_REASON_LENGTH:
        raise Invalid(
            f"A reason can have at most {MAX_REASON_LENGTH} characters.", field="reason"
        )
    return reason
