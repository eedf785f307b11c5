"""Fails a test if a template of the project reads an attribute or a key that does not exist.

Django renders such a variable as nothing, so a renamed field would disappear from the page.
Missing inputs are allowed: partial templates have optional ones.
"""

import pytest
from django.template.base import Variable, VariableDoesNotExist
from django.template.context import BaseContext

from tests.architecture.source import ROOT

TEMPLATES = str(ROOT / "templates")
# allauth's dictionary has only the authenticators that the user set up. The body of an entry of the
# audit trail is empty if its text is unreadable.
OPTIONAL = {"authenticators", "body"}


class MissingVariable(AssertionError):
    """A template reads what its input does not have."""


def is_missing(error: VariableDoesNotExist, context: BaseContext) -> bool:
    """Return whether an attribute or key is missing, not the input itself."""
    _, holder = error.params
    if holder is None or isinstance(holder, str | BaseContext):
        return False
    origin = context.template.origin.name
    return str(origin).startswith(TEMPLATES)


@pytest.fixture(scope="session", autouse=True)
def _templates_read_only_what_exists():
    resolve = Variable._resolve_lookup

    def strict(self, context):
        try:
            return resolve(self, context)
        except VariableDoesNotExist as error:
            if self.lookups[0] not in OPTIONAL and is_missing(error, context):
                raise MissingVariable(f"{self.var}: {error}") from error
            raise

    Variable._resolve_lookup = strict
    yield
    Variable._resolve_lookup = resolve
