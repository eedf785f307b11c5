"""Credentials: a replaced one belongs to the same edge, a revoked one ends it."""

from datetime import timedelta

import pytest
from django.forms.models import model_to_dict

from accounts.actor import Actor, Interface
from accounts.errors import Invalid
from products.metering.commands import issue_credential, revoke_credential
from products.metering.models import Edge
from products.metering.queries import complete_to, edge_of, unknown_since
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
    own = ["digest", "created_at", "issued_at", "revoked_at", "expires_at"]
    fields = {"exclude": own}
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


def test_a_credential_expires(ada):
    secret = issue_credential(
        ada, name="edge-1", now=NOW, lifetime=timedelta(days=1)
    ).secret

    last = NOW + timedelta(days=1)
    assert edge_of(secret, address="", now=last - timedelta(seconds=1))
    assert edge_of(secret, address="", now=last) is None


@pytest.mark.parametrize(
    "address, accepted",
    [
        ("192.0.2.7", True),
        ("192.0.2.8", False),
        ("2001:db8::9", True),
        ("2001:db9::9", False),
        ("", False),
    ],
)
def test_a_credential_can_be_bound_to_networks(ada, address, accepted):
    networks = ["192.0.2.7", "2001:db8::/48"]
    secret = issue_credential(ada, name="edge-1", now=NOW, networks=networks).secret

    assert (edge_of(secret, address=address, now=NOW) is not None) is accepted


def test_networks_that_cannot_be_read_are_refused(ada):
    with pytest.raises(Invalid):
        issue_credential(ada, name="edge-1", now=NOW, networks=["192.0.2.7/8"])

    assert not Edge.objects.exists()


def test_the_old_credential_is_accepted_for_the_overlap_only(ada):
    old = issue_credential(ada, name="edge-1", now=NOW).secret
    overlap = timedelta(minutes=5)
    new = issue_credential(ada, name="edge-1", now=NOW, overlap=overlap).secret

    during, after = NOW + overlap - timedelta(seconds=1), NOW + overlap
    accepted = [
        [edge_of(each, address="", now=at) is not None for each in (old, new)]
        for at in (during, after)
    ]
    assert accepted == [[True, True], [False, True]]


def test_without_an_overlap_the_old_credential_ends(ada):
    old = issue_credential(ada, name="edge-1", now=NOW).secret
    issue_credential(ada, name="edge-1", now=NOW)

    assert edge_of(old, address="", now=NOW) is None


def test_revoking_ends_both_credentials(ada):
    first = issue_credential(ada, name="edge-1", now=NOW).secret
    second = issue_credential(
        ada, name="edge-1", now=NOW, overlap=timedelta(hours=1)
    ).secret
    revoke_credential(ada, name="edge-1", now=NOW)

    assert [edge_of(each, address="", now=NOW) for each in (first, second)] == [
        None
    ] * 2
