"""Encrypts the secrets of parts again after the key was changed; the secrets stay the same."""

from products.services.models import Part
from products.services.models.sealed import KINDS_WITH_SECRETS, SECRET_FIELDS


def encrypt_parts_again() -> int:
    """Encrypt the secrets of parts with the current key, and return how many parts have one.

    Each is replaced only if it has not changed meanwhile. Raises UnreadableSecret.
    """
    count = 0
    rows = Part.objects.filter(kind__in=KINDS_WITH_SECRETS).order_by("pk")
    for row in rows.iterator():
        if any(row.values.get(name) for name in SECRET_FIELDS):
            unchanged = Part.objects.filter(pk=row.pk, updated_at=row.updated_at)
            count += unchanged.update(values=row.values)  # encrypted on the way
    return count
