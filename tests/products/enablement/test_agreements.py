"""Tampering with an agreement is refused by the database and found by verification (R5)."""

import pytest
from django.db import IntegrityError, transaction

from accounts.audit.queries import verify
from products.enablement import triggers
from products.enablement.agreements import text_hash
from products.enablement.models import Enablement
from tests.factories.enablement import entitle
from tests.factories.unguarded import unguarded

TEXT = "I understand that WebSockets is free for ever."


@pytest.fixture
def enabled(sam, acme, websockets):
    return entitle(sam, acme, websockets)


@pytest.fixture
def exposed(enabled):
    """An enablement without the triggers of its table."""
    with unguarded(triggers.ENABLEMENTS):
        yield enabled


@pytest.mark.parametrize(
    "column",
    ["agreed_text", "agreed_text_hash", "agreed_record", "agreed_record_hash"],
)
def test_the_database_refuses_a_change_of_what_was_agreed_to(enabled, column):
    with pytest.raises(IntegrityError), transaction.atomic():
        Enablement.objects.filter(pk=enabled.pk).update(**{column: "x"})

    with pytest.raises(IntegrityError), transaction.atomic():
        Enablement.objects.filter(pk=enabled.pk).delete()


def test_an_intact_agreement_is_valid(enabled, acme):
    assert verify(acme.pk).is_valid


@pytest.mark.parametrize(
    "changes",
    [
        {"agreed_text": TEXT},
        {"agreed_text": TEXT, "agreed_text_hash": text_hash(TEXT)},
        {"agreed_text": "", "agreed_text_hash": ""},
        {"agreed_record": "{}"},
        {"agreed_record": "{}", "agreed_record_hash": text_hash("{}")},
    ],
)
def test_a_changed_agreement_is_found_at_its_entry(exposed, acme, changes):
    Enablement.objects.filter(pk=exposed.pk).update(**changes)

    result = verify(acme.pk)

    assert not result.is_valid
    assert result.first_invalid is not None
    assert result.reason == "the agreement is not the one that was agreed to"


def test_a_deleted_enablement_is_found_at_its_entry(exposed, acme):
    Enablement.objects.filter(pk=exposed.pk).delete()

    assert verify(acme.pk).reason == "the enablement it names is missing"


def test_an_agreement_without_an_entry_is_found(exposed, acme, ngwaf):
    forged = Enablement.objects.get(pk=exposed.pk)
    forged.pk, forged.product = "forged", ngwaf
    forged.save(force_insert=True)

    assert verify(acme.pk).reason == (
        "no entry is about the agreement of enablement forged"
    )
