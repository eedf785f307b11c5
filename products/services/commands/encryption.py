"""Encrypts the secrets of parts and items again after the key was changed; they stay the same."""

from collections.abc import Iterable

from django.db.models import QuerySet

from products.services.models import Item, Part
from products.services.models.sealed import KINDS_WITH_SECRETS, secrets_in


def encrypt_parts_again() -> int:
    """Encrypt the secrets of parts and items with the current key; return how many rows have one.

    Each is replaced only if it has not changed meanwhile. Raises UnreadableSecret.
    """
    parts = Part.objects.filter(kind__in=KINDS_WITH_SECRETS).order_by("pk")
    items = Item.objects.filter(part_kind="dictionary").order_by("pk")
    return _encrypt(parts.iterator(), Part.objects.all()) + _encrypt(
        items.iterator(), Item.objects.all()
    )


def _encrypt(
    rows: "Iterable[Part] | Iterable[Item]", table: "QuerySet[Part] | QuerySet[Item]"
) -> int:
    count = 0
    for row in rows:
        if any(row.values.get(name) for name in secrets_in(row.values)):
            unchanged = table.filter(pk=row.pk, updated_at=row.updated_at)
            count += unchanged.update(values=row.values)  # encrypted on the way
    return count
