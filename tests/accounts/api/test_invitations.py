"""The API of invitations."""

from typing import Any

import pytest

from accounts.models import Invitation
from tests.factories.keys import client_of

JSON_API = "application/vnd.api+json"
PATH = "/api/invitations"


def body(
    email="new@example.com", role="user", customer=None, services=None, status_code=1
):
    attributes = {"email": email, "role": role, "limit_services": bool(services)}
    related: dict[str, Any] = {}
    if customer:
        related["customer"] = {"data": {"type": "customer", "id": customer}}
    if services:
        related["service_invitations"] = {
            "data": [
                {
                    "type": "service_invitation",
                    "attributes": {"permission": level},
                    "relationships": {
                        "service": {"data": {"type": "service", "id": key}}
                    },
                }
                for key, level in services.items()
            ]
        }
    return {
        "data": {
            "type": "invitation",
            "attributes": attributes | {"status_code": status_code},
            "relationships": related,
        }
    }


def test_an_invitation_is_sent_listed_and_withdrawn(sam, acme):
    api = client_of(sam)

    made = api.post(PATH, body(customer=acme.pk), JSON_API)
    listed = api.get(PATH)
    withdrawn = api.delete(f"{PATH}/{made.json()['data']['id']}")

    assert made.status_code == 200
    assert made.headers["Content-Type"] == JSON_API
    attributes = made.json()["data"]["attributes"]
    assert (attributes["email"], attributes["status_code"]) == ("new@example.com", 1)
    assert listed.json()["data"] == [made.json()["data"]]
    assert listed.json()["meta"]["record_count"] == 1
    assert (withdrawn.status_code, withdrawn.content) == (204, b"")
    assert api.get(PATH).json()["data"] == []


def test_an_invitation_names_services_with_levels(sam, shop):
    answer = client_of(sam).post(PATH, body(services={shop.pk: "full"}), JSON_API)

    row = Invitation.objects.get()
    assert (row.limit_services, row.services) == (True, {shop.pk: "full"})
    related = answer.json()["data"]["relationships"]["service_invitations"]["data"]
    assert [each["type"] for each in related] == ["service_invitation"]


@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"data": []},
        {"data": {"attributes": {"email": "x@example.com"}}},
        body(email="no address"),
        body(role="owner"),
        body(services={"unknown": "all"}),
        body(status_code=0),
        body(status_code=[1]),
    ],
)
def test_an_invalid_invitation_is_a_400(sam, sent):
    answer = client_of(sam).post(PATH, sent, JSON_API)

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["title"] == "Bad request"
    assert not Invitation.objects.exists()


def test_another_account_s_id_is_refused(sam, globex):
    answer = client_of(sam).post(PATH, body(customer=globex.pk), JSON_API)

    assert answer.status_code == 400
    assert not Invitation.objects.exists()


def test_another_account_s_invitation_is_like_an_unknown_one(sam, stan):
    key = client_of(stan).post(PATH, body(), JSON_API).json()["data"]["id"]

    answers = [client_of(sam).delete(f"{PATH}/{each}") for each in (key, "unknown")]

    assert {each.status_code for each in answers} == {404}
    assert (
        answers[0].content.decode().replace(key, "unknown")
        == answers[1].content.decode()
    )


def test_an_account_without_an_id_is_a_400(sam):
    sent = body()
    sent["data"]["relationships"]["customer"] = {"data": {"type": "customer"}}

    answer = client_of(sam).post(PATH, sent, JSON_API)

    assert answer.status_code == 400


def test_relationships_that_are_a_list_are_a_400(sam):
    sent = body()
    sent["data"]["relationships"] = [None]

    answer = client_of(sam).post(PATH, sent, JSON_API)

    assert answer.status_code == 400


@pytest.mark.parametrize("value", ["true", "false", 1, [True]])
def test_a_limit_that_is_not_a_boolean_is_a_400(sam, acme, value):
    """It would else be taken for no limit, which is access to all services."""
    sent = body()
    sent["data"]["attributes"]["limit_services"] = value

    answer = client_of(sam).post(PATH, sent, JSON_API)

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["detail"] == (
        "attributes.limit_services must be true or false."
    )
    assert not Invitation.objects.exists()


@pytest.mark.parametrize("sent", [{}, {"data": []}, {"attributes": {"email": "x"}}])
@pytest.mark.parametrize("path", ["invitations", "service-authorizations"])
def test_a_body_without_a_resource_is_refused_by_name(sam, path, sent):
    answer = client_of(sam).post(f"/api/{path}", sent, JSON_API)

    assert answer.status_code == 400
    detail = answer.json()["errors"][0]["detail"]
    assert detail == "data must be an object with attributes."
