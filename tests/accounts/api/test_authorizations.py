"""The API of service authorizations (R21)."""

import pytest

from accounts.audit.models import AuditEvent
from accounts.ids import derived_id
from accounts.models import Membership, User
from accounts.roles import AccessLevel
from tests.factories.accounts import give_access
from tests.factories.keys import client_of

JSON_API = "application/vnd.api+json"
BULK = f"{JSON_API}; ext=bulk"
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
        "id": derived_id(user_id, service_id),
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
    Membership.objects.filter(user_id=una.user_id).update(limit_services=True)
    api = client_of(sam)
    key = f"{PATH}/{derived_id(una.user_id, shop.pk)}"

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


@pytest.mark.parametrize("person", ["sam", "eve", "bo"])
def test_one_that_would_limit_nothing_is_refused(person, sam, shop, request):
    member = request.getfixturevalue(person)

    answer = client_of(sam).post(PATH, body(member.user_id, shop.pk), JSON_API)

    assert answer.status_code == 400
    assert "would limit nothing" in answer.json()["errors"][0]["detail"]
    assert not AuditEvent.objects.exists()


def test_an_id_has_the_length_of_every_id(lin, shop):
    key = derived_id(lin.user_id, shop.pk)

    assert (len(key), key.isalnum()) == (22, True)
    assert key == derived_id(lin.user_id, shop.pk)
    assert key != derived_id(shop.pk, lin.user_id)


def test_several_are_changed_and_removed_together(sam, lin, shop):
    api = client_of(sam)
    item = {"type": "service_authorization", "id": derived_id(lin.user_id, shop.pk)}
    change = item | {"attributes": {"permission": "purge_all"}}

    changed = api.patch(PATH, {"data": [change]}, BULK)
    removed = api.delete(PATH, {"data": [item]}, BULK)

    assert changed.json() == {"data": [shown(lin.user_id, shop.pk, "purge_all")]}
    assert (removed.status_code, removed.content) == (204, b"")
    assert api.get(PATH).json()["data"] == []


def test_if_one_of_several_would_limit_nothing_none_changes(sam, lin, una, shop):
    give_access(User.objects.get(pk=una.user_id), shop, AccessLevel.FULL)
    api = client_of(sam)
    items = [
        {
            "id": derived_id(each.user_id, shop.pk),
            "attributes": {"permission": "purge_all"},
        }
        for each in (lin, una)
    ]

    answer = api.patch(PATH, {"data": items}, BULK)

    assert answer.status_code == 400
    assert shown(lin.user_id, shop.pk) in api.get(PATH).json()["data"]


@pytest.mark.parametrize(
    ("method", "item"),
    [("patch", {"id": "x"}), ("patch", {"attributes": {}}), ("delete", {"id": 5})],
)
def test_a_refusal_says_which_of_several_it_is_about(sam, lin, shop, method, item):
    right = {
        "id": derived_id(lin.user_id, shop.pk),
        "attributes": {"permission": "full"},
    }

    answer = getattr(client_of(sam), method)(PATH, {"data": [right, item]}, BULK)

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["detail"].startswith("Object 2: ")


@pytest.mark.parametrize("method", ["patch", "delete"])
def test_if_one_of_several_is_unknown_none_changes(sam, lin, shop, method):
    api = client_of(sam)
    items = [
        {"id": key, "attributes": {"permission": "purge_all"}}
        for key in (derived_id(lin.user_id, shop.pk), "unknown")
    ]

    answer = getattr(api, method)(PATH, {"data": items}, BULK)

    assert answer.status_code == 404
    assert api.get(PATH).json()["data"] == [shown(lin.user_id, shop.pk)]
