"""Text in request bodies; a number is not text, although Django REST framework reads it as such."""

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

from accounts.errors import Invalid


class TextField(serializers.CharField):
    """A field for text only."""

    def to_internal_value(self, data: Any) -> str:
        """Return the text; raise ValidationError for any other value."""
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


def text_in(sent: Mapping[str, Any], name: str, default: str = "") -> str:
    """Return the text of a field in a body; raise Invalid if it has another type."""
    value = sent.get(name, default)
    if not isinstance(value, str):
        raise Invalid(f"{name}: Enter text.", field=name)
    return value
