"""Every event and permission is documented, and exercised by a test if the code uses it."""

import ast
from functools import cache

import pytest

from accounts.audit.vocabulary import Event
from accounts.roles import ABILITIES, Permission
from tests.architecture.events_page import page
from tests.architecture.source import PRODUCT, ROOT, modules

# These list words without exercising them.
LISTS = ("tests.architecture.test_words", "tests.accounts.audit.test_vocabulary")
# Words that the trail and the table hold ready; nothing of the portal says them yet.
NOT_YET_NOTED = [
    "ACCOUNT_RENAMED",
    "ADJUSTMENT_MADE",
    "APPROVAL_GRANTED",
    "APPROVAL_REFUSED",
    "APPROVAL_REQUESTED",
    "AUDIT_CHECKPOINT_SIGNED",
    "AUDIT_EXPORTED",
    "AUDIT_PROOF_REQUESTED",
    "AUDIT_READ",
    "AUDIT_WRITER_PAUSED",
    "BILLING_CURRENCY_CHANGED",
    "BILLING_ZONE_CHANGED",
    "BUDGET_CHANGED",
    "BUDGET_REACHED",
    "COMMAND_RUN",
    "CONDITION_CREATED",
    "CONDITION_DELETED",
    "CONDITION_UPDATED",
    "CONNECTION_LIMIT_BLOCKED",
    "CREDIT_GRANTED",
    "CREDIT_NOTE_ISSUED",
    "CREDIT_USED",
    "DB_DIRECT_CHANGE",
    "DEMO_LOADED",
    "EMAIL_CHANGED",
    "HEALTHCHECK_CREATED",
    "HEALTHCHECK_DELETED",
    "HEALTHCHECK_UPDATED",
    "INVOICE_DRAFTED",
    "INVOICE_FINALIZED",
    "INVOICE_VOIDED",
    "KEY_ROTATED",
    "PLAN_RETIRED",
    "PRICE_CLOSED",
    "REQUEST_SETTING_CREATED",
    "REQUEST_SETTING_DELETED",
    "REQUEST_SETTING_UPDATED",
    "SECOND_FACTOR_DISABLED",
    "SECOND_FACTOR_ENABLED",
    "SETTINGS_UPDATED",
    "TRIAL_CONVERTED",
    "TRIAL_ENDED",
    "TRIAL_EXTENDED",
    "TRIAL_STARTED",
    "USAGE_CONFLICT_FOUND",
    "USAGE_CONFLICT_RESOLVED",
    "USAGE_RECEIVED_LATE",
    "USER_DELETED",
    "USER_REAUTHENTICATED",
    "USER_UPDATED",
]
NOT_YET_ASKED = ["ACCOUNT_CONFIGURE", "STATS_READ", "USAGE_INGEST", "USAGE_RESOLVE"]


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


def test_an_event_that_nothing_notes_is_one_that_is_known_to_wait():
    waiting = {event.name for event in Event if event.name not in used("Event")}

    assert waiting - set(NOT_YET_NOTED) == set()


def test_a_permission_that_nothing_asks_for_is_one_that_is_known_to_wait():
    waiting = {each.name for each in Permission if each.name not in used("Permission")}

    assert waiting - set(NOT_YET_ASKED) == set()


@pytest.mark.parametrize("permission", list(Permission))
def test_every_permission_has_words_for_a_refusal(permission):
    assert ABILITIES[permission]
