"""How the interfaces show a command's refusal: at the field that it names, or above the form."""

import contextlib
from collections.abc import Iterator
from http import HTTPStatus

from django import forms

from accounts.errors import Conflict, Invalid

CONFLICT = "conflict"


@contextlib.contextmanager
def form_errors(form: forms.BaseForm) -> Iterator[None]:
    """Add a Conflict or an Invalid that the body raises to the form; other refusals go on.

    The body ends with its `return`; what follows it shows the form again.
    """
    try:
        yield
    except (Conflict, Invalid) as refusal:
        field = refusal.field if refusal.field in form.fields else None
        code = CONFLICT if isinstance(refusal, Conflict) else refusal.code
        form.add_error(field, forms.ValidationError(refusal.message, code=code))


def form_status(form: forms.BaseForm) -> HTTPStatus:
    """Return 200 for a form without errors, 409 after a Conflict, and 400 for other errors."""
    if not form.errors:
        return HTTPStatus.OK
    problems = [error for each in form.errors.as_data().values() for error in each]
    conflicts = any(error.code == CONFLICT for error in problems)
    return HTTPStatus.CONFLICT if conflicts else HTTPStatus.BAD_REQUEST
