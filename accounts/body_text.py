"""Text in request bodies; a number is not text, although Django REST framework reads it as such."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from rest_framework import serializers

from accounts.errors import Invalid
from accounts.readable import choices_in_words


class TextField(serializers.CharField):
    """A field for text only. Null clears a field that can be empty."""

    def validate_empty_values(self, data: Any) -> tuple[bool, Any]:
        """Return whether a value needs no validation, and what it is read as."""
        if data is None and self.allow_blank and not self.allow_null:
            return True, ""
        return super().validate_empty_values(data)

    def to_internal_value(self, data: Any) -> str:
        """Return the text; raise ValidationError for any other value."""
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class OneOfField(serializers.ChoiceField):
    """A field for one of a few values. The refusal of any other lists them."""

    def __init__(self, choices: Any, **options: Any) -> None:
        super().__init__(choices, **options)
        values = choices_in_words(each for each in self.choices if each != "")
        self.error_messages["invalid_choice"] = f"Choose {values}."


class TextsField(serializers.ListField):
    """A field for a list of texts, in each form in which Fastly's clients send lists."""

    child = TextField()

    def to_internal_value(self, data: Any) -> list[str]:
        """Return the texts; raise ValidationError for any other value."""
        if isinstance(data, str):
            try:
                data = list_in(data)
            except ValueError:
                self.fail("not_a_list", input_type="str")
        found: list[str] = super().to_internal_value(data)
        return found


class OwnBodyReader(serializers.Serializer[Any]):
    """The body of one of Tollgate's own paths, where an unknown field is refused.

    It would have no effect: a webhook with a misspelt `events` would get all of them. Fastly's
    clients send such fields, so Fastly's paths ignore them.
    """

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        """Return the values; raise ValidationError with every problem."""
        problems: Any = {}
        values: dict[str, Any] = {}
        try:
            values = super().to_internal_value(data)
        except serializers.ValidationError as error:
            problems = error.detail
        unknown = [name for name in data if name not in self.fields]
        use = f"Unknown field. Use {choices_in_words(self.fields)}."
        if problems or unknown:
            raise serializers.ValidationError(problems | dict.fromkeys(unknown, use))
        return values


def list_in(text: str) -> Any:
    """Return the list that a form has in one text: a JSON array, or texts with commas between them.

    Raises ValueError if it is not valid JSON.
    """
    if not text.lstrip().startswith("["):
        return [each.strip() for each in text.split(",")]
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError(text) from error


def text_in(sent: Mapping[str, Any], name: str, default: str = "") -> str:
    """Return the text of a field in a body; raise Invalid if it has another type."""
    value = sent.get(name, default)
    if not isinstance(value, str):
        raise Invalid(f"{name}: Enter text.", field=name)
    return value


def require_same(
    shown: Mapping[str, Any], sent: Mapping[str, Any], names: Iterable[str]
) -> None:
    """Raise Invalid for fields that a request cannot set and that have another value than is shown."""
    if others := others_than_shown(shown, sent, names):
        raise Invalid(
            f"These fields can't be set in this request: {', '.join(others)}.",
            field=others[0],
        )


def others_than_shown(
    shown: Mapping[str, Any], sent: Mapping[str, Any], names: Iterable[str]
) -> list[str]:
    """Return those of some fields that a request sends with another value than is shown.

    A client can send back what it has read. An empty value counts as not sent.
    """
    return [
        name
        for name in names
        if sent.get(name) not in (None, "")
        and _word(sent[name]) != _word(shown.get(name))
    ]


def _word(value: Any) -> str:
    """Return a value as clients send it: `1` and `True` are the same."""
    text = str(value).lower()
    return {"1": "true", "0": "false", "none": "false"}.get(text, text)
