"""The values of a part or an item in the database: secrets are encrypted there, and nowhere else."""

from collections.abc import Mapping
from typing import Any, Final

from django.db import models

from accounts.encryption import decrypt, encrypt
from products.services.kinds import KINDS

# By name, because a column does not know the kind of its row. A field of one of these names that
# is no secret in another kind is encrypted too. All values of dictionaries are: whether they are
# shown (write_only) is said by the versions, which can differ.
SECRET_FIELDS: Final = frozenset(
    field.name for kind in KINDS.values() for field in kind.fields if field.secret
) | {"item_value"}
HEADER: Final = "header"
HEADER_NAME: Final = "dst"  # no other kind has this field
KINDS_WITH_SECRETS: Final = frozenset(
    name
    for name, kind in KINDS.items()
    if name == HEADER or any(field.name in SECRET_FIELDS for field in kind.fields)
)


class SealedValues(models.JSONField):
    """A JSON object whose secrets are stored encrypted with ENCRYPTION_KEY.

    It is read and written in plain. Rows are copied as they are, so a clone needs no key.
    """

    def get_prep_value(self, value: Any) -> Any:
        """Return the value with its secrets encrypted."""
        return super().get_prep_value(_map_secrets(value, encrypt))

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        """Return the value with its secrets in plain. Raises UnreadableSecret."""
        read = super().from_db_value(value, expression, connection)
        return _map_secrets(read, decrypt)


def secrets_in(values: Mapping[str, Any]) -> frozenset[str]:
    """Return the names of the fields that are encrypted, also those of a secret header's rule."""
    by_name = SECRET_FIELDS.intersection(values)
    if HEADER_NAME in values:
        return by_name | KINDS[HEADER].secret_values(values)
    return by_name


def _map_secrets(value: Any, change: Any) -> Any:
    if not isinstance(value, dict) or not (secrets := secrets_in(value)):
        return value
    return {
        name: change(each)
        if name in secrets and isinstance(each, str) and each
        else each
        for name, each in value.items()
    }
