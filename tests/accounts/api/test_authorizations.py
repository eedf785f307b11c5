"""The API of service authorizations (R21)."""

import pytest

from accounts.audit.models import AuditEvent
from tests.factories.keys import client_of

JSON_API = "application/vnd.api+json"
PATH = "/api/service-authorizations"


def body(user_id, service_id, permission="full"):
    return {
        "data": {
            "type": "service_authorization",
            "attributes": {"permission": permission},
            "relationships": {
                "service": {"data": {"type": "service", "id": service_id}},
                "user": {"data": {"type": "user", "id": user_id}},
            },
        },
        "included": [],
    }


def shown(user_id, service_id, permission="full"):
    return {
        "id": f"{user_id}{service_id}",
        "type": "service_authorization",
        "attributes": {
            "created_at": "2026-11-22T12:00:00Z",
            "updated_at": "2026-11-22T12:00:00Z",
            "deleted_at": None,
            "permission": permission,
        },
        "relationships": {
            "service": {"data": {"id": service_id, "type": "service"}},
            "user": {"data": {"id": user_id, "type": "user"}},
        },
    }


def test_the_authorizations_of_the_account_are_listed(una, lin, shop):
    answer = client_of(una).get(PATH)

    assert answer.headers["Content-Type"] == JSON_API
    assert answer.json()["data"] == [shown(lin.user_id, shop.pk)]
    assert answer.json()["meta"]["record_count"] == 1


def test_an_authorization_is_given_changed_and_removed(sam, una, shop):
    api = client_of(sam)
    key = f"{PATH}/{una.user_id}{shop.pk}"

    given = api.post(PATH, body(una.user_id, shop.pk), JSON_API)
    changed = api.patch(
        key, {"data": {"attributes": {"permission": "read_only"}}}, "application/json"
    )
    got = api.get(key)
    taken = api.delete(key)

    assert (given.status_code, given.json()) == (
        200,
        {"data": shown(una.user_id, shop.pk)},
    )
    assert (
        changed.json()
        == got.json()
        == {"data": shown(una.user_id, shop.pk, "read_only")}
    )
    assert (taken.status_code, taken.content) == (204, b"")
    assert api.get(key).status_code == 404
    assert [row.action for row in AuditEvent.objects.order_by("sequence")] == [
        "service_access.granted",
        "service_access.changed",
        "service_access.revoked",
    ]


@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"data": []},
        {
            "data": {
                "attributes": {"permission": "full"},
                "relationships": {"user": None},
            }
        },
        body(["x"], "y"),
        body("U", "S", "all"),
    ],
)
def test_an_incomplete_body_is_a_400(sam, una, shop, sent):
    answer = client_of(sam).post(PATH, sent, JSON_API)

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["title"] == "Bad request"
    assert not AuditEvent.objects.exists()
