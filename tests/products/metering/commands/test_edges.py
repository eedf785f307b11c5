"""Credentials: a replaced one belongs to the same edge, a revoked one ends it."""

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
def offline(db) -> Edge:
    """Return an edge that was last seen at NOW, beside one that is online."""
    edge = make_edge(engine="embedded", open_connections=7, unsent_bytes=9)
    take(edge, now=NOW)
    take(make_edge("edge-2"), now=LATER)
    return edge


def test_usage_stays_unknown_when_the_credential_of_an_edge_is_replaced(offline):
    issue_credential(ACTOR, name="edge-1", now=LATER)

    assert complete_to() == NOW
    assert unknown_since([], LATER) == NOW


def test_status_of_an_edge_is_copied_to_its_new_credential(offline):
    fields = {"exclude": ["digest", "created_at", "revoked_at"]}
    known = model_to_dict(Edge.objects.get(pk=offline.pk), **fields)

    issued = issue_credential(ACTOR, name="edge-1", now=LATER)

    renewed = Edge.objects.get(pk=issued.edge.pk)
    assert model_to_dict(renewed, **fields) == known
    assert (renewed.open_connections, renewed.created_at) == (7, LATER)
    assert Edge.objects.get(pk=offline.pk).revoked_at == LATER


def test_edge_without_a_credential_does_not_hold_up_usage(offline):
    revoke_credential(ACTOR, name="edge-1", now=LATER)

    assert complete_to() == LATER
    assert unknown_since([], LATER) is None


def test_edge_that_returns_after_a_revocation_has_no_status(offline):
    revoke_credential(ACTOR, name="edge-1", now=LATER)

    edge = issue_credential(ACTOR, name="edge-1", now=LATER).edge

    assert (edge.last_seen_at, edge.reported_at, edge.open_connections) == (
        None,
        None,
        0,
    )
