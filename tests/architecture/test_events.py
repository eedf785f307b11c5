"""Every event and permission is documented, and exercised by a test if the code uses it."""

import ast
from functools import cache

import pytest

from accounts.audit.vocabulary import Event
from accounts.roles import ABILITIES, Permission
from tests.architecture.events_page import page
from tests.architecture.source import PRODUCT, ROOT, modules

# These list events without exercising them.
LISTS = ("tests.architecture.test_events", "tests.accounts.audit.test_vocabulary")
# Asked by no command yet; the published table of roles (R20) has it.
NOT_YET_ASKED = {"ACCOUNT_CONFIGURE"}


@cache
def used(enumeration: str) -> set[str]:
    """Return which members of an enumeration the product's code names, outside their own module."""
    homes = {"accounts.audit.vocabulary", "accounts.roles"}
    return {
        node.attr
        for module in modules(*PRODUCT)
        if module.name not in homes
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == enumeration
    }


@cache
def exercised() -> str:
    return "\n".join(
        module.text for module in modules("tests") if not module.name.startswith(LISTS)
    )


def test_the_page_of_words_is_what_the_code_says():
    written = (ROOT / "docs" / "events-and-permissions.md").read_text(encoding="utf-8")

    assert written == page()


def test_every_event_that_is_noted_is_exercised_by_a_test():
    tests = exercised()

    silent = {
        event.value
        for event in Event
        if event.name in used("Event")
        and f"Event.{event.name}" not in tests
        and f'"{event.value}"' not in tests
    }

    assert silent == set()


def test_every_event_is_noted_by_the_code():
    assert {event.name for event in Event} - used("Event") == set()


def test_every_permission_is_asked_by_the_code():
    asked = used("Permission")

    assert {each.name for each in Permission} - asked == NOT_YET_ASKED


@pytest.mark.parametrize("permission", list(Permission))
def test_every_permission_has_words_for_a_refusal(permission):
    assert ABILITIES[permission]
