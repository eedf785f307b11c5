"""What pages and the API say about an invalid field, in place of the libraries' own sentences."""

from collections.abc import Mapping
from typing import Any, Final

from django import forms
from django.core import validators
from django.utils.translation import ngettext_lazy
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

FORM_MESSAGES: Final[Mapping[type[Any], Mapping[str, str]]] = {
    forms.ChoiceField: {"invalid_choice": "Choose one of the options."},
    forms.MultipleChoiceField: {
        "invalid_choice": "Choose only options of the list.",
        "invalid_list": "Choose only options of the list.",
    },
    forms.ModelChoiceField: {"invalid_choice": "Choose one of the options."},
}


def _counted(words: str, noun: str, key: str) -> Any:
    """Return a sentence that ends with a noun, in the singular if the number `key` is one."""
    return ngettext_lazy(f"{words} {noun}.", f"{words} {noun}s.", key)


LIMIT_MESSAGES: Final[Mapping[type[Any], Any]] = {
    validators.MinLengthValidator: _counted(
        "Enter at least %(limit_value)d", "character", "limit_value"
    ),
    validators.MaxLengthValidator: _counted(
        "Enter at most %(limit_value)d", "character", "limit_value"
    ),
    validators.MinValueValidator: "Enter a number from %(limit_value)s.",
    validators.MaxValueValidator: "Enter a number up to %(limit_value)s.",
}
DECIMAL_MESSAGES: Final = {
    "invalid": "Enter a number.",
    "max_digits": _counted("Enter a number with at most %(max)s", "digit", "max"),
    "max_decimal_places": _counted(
        "Enter a number with at most %(max)s", "decimal", "max"
    ),
    "max_whole_digits": _counted(
        "Enter a number whose whole part has at most %(max)s", "digit", "max"
    ),
}


def use_own_messages() -> None:
    """Give the libraries' fields and validators these sentences, once, before a form is made."""
    for kind, texts in (*MESSAGES.items(), *FORM_MESSAGES.items()):
        kind.default_error_messages = kind.default_error_messages | texts
    for limit, text in LIMIT_MESSAGES.items():
        limit.message = text
    validators.DecimalValidator.messages = (
        validators.DecimalValidator.messages | DECIMAL_MESSAGES
    )
