"""An edge renews its credential: both are valid until the new one is in use, so there is no gap."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from accounts.tokens import digest
from products.metering.commands import issue_credential
from products.metering.models import Edge
from tests.factories.trail import noted

SECRET = "an edge's credential"
NEXT = "/api/edge/v1/credential"
TABLE = "/api/edge/v1/routes"
HEADER = "X-Edge-Renew-Credential"


@pytest.fixture
def edge(db):
    """Return an edge with 20 of the 90 days of its credential left."""
    now = timezone.now()
    return Edge.objects.create(
        name="lon-1",
        digest=digest(SECRET),
        created_at=now - timedelta(days=70),
        expires_at=now + timedelta(days=20),
        networks="127.0.0.0/8",
    )


def table(secret=SECRET, **more):
    headers = {"Authorization": f"Bearer {secret}"}
    return Client().get(TABLE, headers=headers, **more)


def renew(secret=SECRET, **more):
    return Client().post(NEXT, headers={"Authorization": f"Bearer {secret}"}, **more)


def asked(answer):
    return answer.status_code, HEADER in answer.headers


def test_an_edge_gets_a_new_credential_and_the_old_one_stays_valid_until_it_is_used(
    edge,
):
    before = table()
    answer = renew()
    secret = answer.json()["secret"]
    meanwhile = table()
    used = table(secret)
    after = table()

    assert asked(before) == (200, True)
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    assert asked(meanwhile) == (200, True)
    assert asked(used) == (200, False)
    assert asked(after) == (200, False)  # a request that was in flight
    edge.refresh_from_db()
    left = edge.expires_at - timezone.now()
    assert timedelta(days=89) < left <= timedelta(days=90)
    assert edge.networks == "127.0.0.0/8"
    assert noted("platform")[-2:] == [
        "edge_credential.issued",
        "edge_credential.renewed",
    ]


def test_the_old_credential_ends_an_hour_after_the_new_one_is_used(edge):
    table(renew().json()["secret"])

    Edge.objects.update(previous_until=timezone.now())

    assert table().status_code == 401


def test_after_a_lost_response_the_edge_asks_again(edge):
    lost = renew().json()["secret"]
    too_soon = renew()
    Edge.objects.update(next_issued_at=timezone.now() - timedelta(minutes=2))

    secret = renew().json()["secret"]

    assert too_soon.status_code == 409
    assert table(secret).status_code == 200
    assert table(lost).status_code == 401


def test_a_renewed_credential_is_valid_although_the_old_one_has_expired(edge):
    secret = renew().json()["secret"]

    Edge.objects.update(expires_at=timezone.now())

    assert (table().status_code, table(secret).status_code) == (401, 200)


def test_a_credential_that_is_valid_for_long_is_not_renewed(edge):
    Edge.objects.update(expires_at=timezone.now() + timedelta(days=200))

    refused = renew()

    assert asked(table()) == (200, False)
    assert refused.status_code == 409
    assert noted("platform") == []


def test_a_credential_that_an_operator_has_replaced_is_not_renewed(edge, ada):
    issued = issue_credential(
        ada, name="lon-1", now=timezone.now(), overlap=timedelta(hours=1)
    )

    refused = renew()

    assert asked(table()) == (200, False)
    assert refused.status_code == 409
    assert table(issued.secret).status_code == 200


def test_a_renewed_credential_is_bound_to_the_same_addresses(edge):
    secret = renew().json()["secret"]

    elsewhere = table(secret, REMOTE_ADDR="192.0.2.9")

    assert elsewhere.status_code == 401
    assert table(secret).status_code == 200


def test_a_credential_hashed_with_an_earlier_pepper_is_renewed(edge, settings):
    Edge.objects.update(expires_at=timezone.now() + timedelta(days=200))
    settings.TOKEN_PEPPER_FALLBACKS = [settings.TOKEN_PEPPER]
    settings.TOKEN_PEPPER = "the pepper of today, which is long enough"

    secret = renew().json()["secret"]
    used = table(secret)
    settings.TOKEN_PEPPER_FALLBACKS = []

    assert asked(used) == (200, False)
    assert table(secret).status_code == 200


def test_a_revoked_edge_renews_nothing(edge):
    secret = renew().json()["secret"]
    Edge.objects.update(revoked_at=timezone.now())

    assert renew().status_code == 401
    assert table(secret).status_code == 401
