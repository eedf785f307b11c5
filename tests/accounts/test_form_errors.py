"""A command's refusal in a form: at its field or above the form, with the status that it means."""

import pytest
from django import forms

from accounts.errors import Conflict, Forbidden, Invalid, NotFound, RefusalError
from accounts.form_errors import form_errors, form_status


class NameForm(forms.Form):
    """A form with one field."""

    name = forms.CharField()


class NameTaken(Conflict):
    """A conflict about a field."""

    field = "name"


def refuse(refusal: RefusalError) -> None:
    """Raise a refusal, as a command does."""
    raise refusal


@pytest.mark.parametrize(
    ("refusal", "at", "status"),
    [
        (Invalid("No.", field="name"), "name", 400),
        (Invalid("No.", field="other"), "__all__", 400),
        (Invalid("No."), "__all__", 400),
        (Conflict("No."), "__all__", 409),
        (NameTaken("No."), "name", 409),
    ],
)
def test_a_refusal_is_shown_at_its_field_or_above_the_form(refusal, at, status):
    form = NameForm({"name": "echo"})

    with form_errors(form):
        refuse(refusal)

    assert form.errors == {at: ["No."]}
    assert form_status(form) == status


@pytest.mark.parametrize(
    "refusal", [Invalid("No.", field="label"), Conflict("No."), Invalid("No.")]
)
def test_a_field_of_the_command_can_have_another_name_in_the_form(refusal):
    form = NameForm({"name": "echo"})

    with form_errors(form, {"label": "name", "": "name"}):
        refuse(refusal)

    assert form.errors == {"name": ["No."]}


def test_each_sentence_of_a_refusal_is_shown():
    form = NameForm({"name": "echo"})

    with form_errors(form):
        refuse(Conflict("One. Two.", details=["One.", "Two."]))

    assert form.errors == {"__all__": ["One.", "Two."]}


@pytest.mark.parametrize("refusal", [Forbidden("No."), NotFound("No.")])
def test_other_refusals_are_not_of_the_form(refusal):
    form = NameForm({"name": "echo"})

    with pytest.raises(type(refusal)), form_errors(form):
        refuse(refusal)

    assert not form.errors


def test_a_form_without_errors_is_200_and_one_that_does_not_validate_400():
    assert form_status(NameForm()) == 200
    assert form_status(NameForm({"name": "echo"})) == 200
    assert form_status(NameForm({"name": ""})) == 400
