"""The ids of the secrets that the database was used with, so that a lost or wrong one is noticed.

With another TOKEN_PEPPER no token is valid, with another ENCRYPTION_KEY no second factor can be
read. A new value in place of a lost one would hide that until customers notice.
"""

from collections.abc import Iterator

from django.conf import settings

from accounts.models import SecretId
from portal.backup import KEYS, key_id, key_ids


def faults() -> Iterator[tuple[str, str]]:
    """Yield what is wrong with a secret, and how to mend it."""
    for known in SecretId.objects.filter(pk__in=KEYS).order_by("pk"):
        if known.key_id not in key_ids(known.pk):
            name = known.pk
            fault = f"{name} is not the one that this database was used with."
            remedy = (
                f"Restore it, or add it to {name}_FALLBACKS. "
                f"If it is lost: manage.py rotate_key {name} --accept"
            )
            yield fault, remedy


def keep_ids() -> None:
    """Store the ids of the present secrets."""
    for name in KEYS:
        keep_id(name, getattr(settings, name))


def keep_id(name: str, key: str) -> None:
    """Store the id of a secret."""
    SecretId.objects.update_or_create(pk=name, defaults={"key_id": key_id(key)})
