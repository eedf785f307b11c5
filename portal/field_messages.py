"""What the API says about an invalid field, in place of the sentences of Django REST framework."""

from collections.abc import Mapping
from typing import Any, Final

from rest_framework import fields

REQUIRED: Final = "This field is required."
MESSAGES: Final[Mapping[type[Any], Mapping[str, str]]] = {
    fields.Field: {"null": REQUIRED},
    fields.BooleanField: {"invalid": "Enter true or false."},
    fields.CharField: {
        "invalid": "Enter text.",
        "blank": REQUIRED,
        "max_length": "Enter at most {max_length} characters.",
    },
    fields.IntegerField: {
        "invalid": "Enter a whole number.",
        "min_value": "Enter a number from {min_value}.",
        "max_value": "Enter a number up to {max_value}.",
        "max_string_length": "Enter a shorter number.",
    },
    fields.DecimalField: {
        "invalid": "Enter a number.",
        "max_digits": "Enter a number with at most {max_digits} digits.",
        "max_string_length": "Enter a shorter number.",
    },
    fields.DateField: {"invalid": "Enter a date such as 2026-11-04."},
    fields.DateTimeField: {"invalid": "Enter a time such as 2026-11-04T10:00:00Z."},
    fields.ListField: {
        "not_a_list": "Enter a list.",
        "max_length": "Enter at most {max_length} values.",
    },
}


def use_own_messages() -> None:
    """Give the framework's fields these sentences, once, before a serializer is made."""
    for kind, texts in MESSAGES.items():
        kind.default_error_messages |= texts
