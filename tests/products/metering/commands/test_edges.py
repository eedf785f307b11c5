"""A credential replaced is the same edge still; one revoked ends the waiting for it."""

from datetime import timedelta

import pytest
from django.forms.models import model_to_dict

from accounts.actor import Actor, Interface
from products.metering.commands import issue_credential, revoke_credential
from products.metering.models import Edge
from products.metering.queries import complete_to, unknown_since
from tests.factories import NOW
from tests.products.metering.reports import make_edge, take

ACTOR = Actor.system("edge-credential", interface=Interface.COMMAND)
LATER = NOW + timedelta(minutes=10)


@pytest.fixture
def silent(db) -> Edge:
    """Return an edge whose last word was at NOW, beside one that speaks still."""
    edge = make_edge(engine="embedded", open_connections=7, unsent_bytes=9)
    take(edge, now=NOW)
    take(make_edge("edge-2"), now=LATER)
    return edge


def test_figures_wait_for_an_edge_whose_credential_is_replaced(silent):
    issue_credential(ACTOR, name="edge-1", now=LATER)

    assert complete_to() == NOW
    assert unknown_since([], LATER) == NOW


def test_all_that_was_heard_of_an_edge_goes_on_with_its_new_credential(silent):
    fields = {"exclude": ["digest", "created_at", "revoked_at"]}
    known = model_to_dict(Edge.objects.get(pk=silent.pk), **fields)

    issued = issue_credential(ACTOR, name="edge-1", now=LATER)

    renewed = Edge.objects.get(pk=issued.edge.pk)
    assert model_to_dict(renewed, **fields) == known
    assert (renewed.open_connections, renewed.created_at) == (7, LATER)
    assert Edge.objects.get(pk=silent.pk).revoked_at == LATER


def test_nobody_waits_for_an_edge_whose_credential_is_revoked(silent):
    revoke_credential(ACTOR, name="edge-1", now=LATER)

    assert complete_to() == LATER
    assert unknown_since([], LATER) is None


def test_an_edge_that_comes_back_after_a_revocation_begins_anew(silent):
    revoke_credential(ACTOR, name="edge-1", now=LATER)

    edge = issue_credential(ACTOR, name="edge-1", now=LATER).edge

    assert (edge.last_seen_at, edge.reported_at, edge.open_connections) == (
        None,
        None,
        0,
    )
