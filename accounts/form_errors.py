"""How web pages show a command's refusal: at the field that it names, or above the form."""

import contextlib
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from types import MappingProxyType

from django import forms

from accounts.errors import Conflict, Invalid

CONFLICT = "conflict"
SAME_NAMES: Mapping[str, str] = MappingProxyType({})


@contextlib.contextmanager
def form_errors(
    form: forms.BaseForm, fields: Mapping[str, str] = SAME_NAMES
) -> Iterator[None]:
    """Add a Conflict or an Invalid that the body raises to the form; other refusals go on.

    `fields` maps the command's names of fields to the form's, "" for refusals about none. The
    body ends with its `return`; what follows it shows the form again.
    """
    try:
        yield
    except (Conflict, Invalid) as refusal:
        add_refusal(form, refusal, fields)


def add_refusal(
    form: forms.BaseForm,
    refusal: Conflict | Invalid,
    fields: Mapping[str, str] = SAME_NAMES,
) -> None:
    """Add each sentence of a refusal to the form, at its field or above the form."""
    field = fields.get(refusal.field, refusal.field)
    code = CONFLICT if isinstance(refusal, Conflict) else refusal.code
    sentences = refusal.details or (refusal.message,)
    form.add_error(
        field if field in form.fields else None,
        [forms.ValidationError(each, code=code) for each in sentences],
    )


def form_status(form: forms.BaseForm) -> HTTPStatus:
    """Return 200 for a form without errors, 409 after a Conflict, and 400 for other errors."""
    if not form.errors:
        return HTTPStatus.OK
    problems = [error for each in form.errors.as_data().values() for error in each]
    conflicts = any(error.code == CONFLICT for error in problems)
    return HTTPStatus.CONFLICT if conflicts else HTTPStatus.BAD_REQUEST
