"""The sentences about invalid fields, which users read in Fastly's tools."""

from typing import Any

import pytest
from django import forms
from rest_framework import serializers

from accounts.body_text import OneOfField, OwnBodyReader, TextField, TextsField
from portal.error_responses import error_text


class EachField(serializers.Serializer[Any]):
    """A field of each kind."""

    text = TextField(max_length=5, default="")
    number = serializers.IntegerField(min_value=1, max_value=9, default=1)
    amount = serializers.DecimalField(max_digits=5, decimal_places=2, default=1)
    flag = serializers.BooleanField(default=False)
    day = serializers.DateField(required=False)
    time = serializers.DateTimeField(required=False)
    texts = TextsField(max_length=1, default=list)
    choice = OneOfField(choices=["a", "b", "c"], default="a")


class EachOwnField(OwnBodyReader):
    """A body of Tollgate's own part of the API."""

    name = TextField()
    note = TextField(default="")


def test_an_unknown_field_is_refused_with_the_known_ones_and_other_problems():
    reader = EachOwnField(data={"nmae": "x", "note": 5})

    assert not reader.is_valid()
    assert {field: error_text(each) for field, each in reader.errors.items()} == {
        "name": "This field is required.",
        "note": "Enter text.",
        "nmae": "Unknown field. Use name or note.",
    }
    assert EachOwnField(data={"name": "x"}).is_valid()


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("text", 5, "Enter text."),
        ("text", None, "This field is required."),
        ("text", " ", "This field is required."),
        ("text", "123456", "Enter at most 5 characters."),
        ("number", "x", "Enter a whole number."),
        ("number", 0, "Enter a number from 1."),
        ("number", 10, "Enter a number up to 9."),
        ("number", "9" * 2000, "Enter a shorter number."),
        ("amount", "x", "Enter a number."),
        ("amount", "12345.67", "Enter a number with at most 5 digits."),
        ("flag", "maybe", "Enter true or false."),
        ("day", "tomorrow", "Enter a date such as 2026-11-04."),
        ("time", "now", "Enter a time such as 2026-11-04T10:00:00Z."),
        ("texts", 5, "Enter a list."),
        ("texts", '["', "Enter a list."),
        ("texts", "a,b", "Enter at most 1 values."),
        ("choice", "d", "Choose a, b or c."),
    ],
)
def test_a_sentence_says_what_to_enter(field, value, said):
    reader = EachField(data={field: value})

    assert not reader.is_valid()
    assert error_text(reader.errors) == f"{field}: {said}"


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        (forms.CharField(max_length=5), "123456", "Enter at most 5 characters."),
        (forms.CharField(min_length=2), "1", "Enter at least 2 characters."),
        (forms.IntegerField(min_value=1), "0", "Enter a number from 1."),
        (forms.IntegerField(max_value=9), "10", "Enter a number up to 9."),
        (
            forms.DecimalField(max_digits=3, decimal_places=1),
            "1.25",
            "Enter a number with at most 1 decimal.",
        ),
        (
            forms.DecimalField(max_digits=3, decimal_places=1),
            "125.5",
            "Enter a number with at most 3 digits.",
        ),
        (forms.ChoiceField(choices=[("a", "A")]), "b", "Choose one of the options."),
        (
            forms.MultipleChoiceField(choices=[("a", "A")]),
            ["b"],
            "Choose only options of the list.",
        ),
    ],
)
def test_a_form_says_the_same(field, value, said):
    with pytest.raises(forms.ValidationError) as refused:
        field.clean(value)

    assert refused.value.messages[0] == said
