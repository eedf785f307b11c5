"""Every event and permission is documented, used by the code and exercised by a test."""

import re

import pytest

from accounts.audit.vocabulary import Event
from accounts.roles import ABILITIES, Permission
from products.services.kinds import KINDS
from products.services.kinds.items import ITEM_KINDS
from tests.architecture.events_page import page
from tests.architecture.source import PRODUCT, ROOT, modules

# These modules list events without exercising them.
LISTS = ("tests.architecture.test_events", "tests.accounts.audit.test_vocabulary")


def used(enumeration: str) -> set[str]:
    """Return the members of an enumeration that production code names outside its module."""
    return {
        name
        for module in modules(*PRODUCT)
        if module.name not in {"accounts.audit.vocabulary", "accounts.roles"}
        for name in re.findall(rf"\b{enumeration}\.([A-Z_]+)", module.text)
    }


def test_the_documentation_lists_what_the_code_has():
    written = (ROOT / "docs" / "events-and-permissions.md").read_text(encoding="utf-8")

    assert written == page()


def test_every_event_is_noted_by_the_code():
    # The commands for parts take the event from the declaration of the kind.
    of_kinds = {
        Event(f"{kind.event}.{verb}").name
        for kind in KINDS.values()
        for verb in kind.verbs
    } | {Event(kind.changed_event).name for kind in ITEM_KINDS.values()}

    assert {event.name for event in Event} - used("Event") - of_kinds == set()


def test_every_event_is_exercised_by_a_test():
    texts = [
        module.text for module in modules("tests") if not module.name.startswith(LISTS)
    ]
    tests = "\n".join(texts)

    assert [
        event.value
        for event in Event
        if f"Event.{event.name}" not in tests and f'"{event.value}"' not in tests
    ] == []


def test_every_permission_is_required_by_the_code():
    assert {each.name for each in Permission} - used("Permission") == set()


@pytest.mark.parametrize("permission", list(Permission))
def test_every_permission_has_words_for_a_refusal(permission):
    assert ABILITIES[permission]
