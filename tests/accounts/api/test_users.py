"""People and the account on the wire."""

import pytest
from django.test import Client

from accounts.models import ApiToken, Membership
from tests.factories.keys import FORM, client_of

OIDC = "/api/realms/fastly/.well-known/openid-configuration"


@pytest.mark.parametrize("headers", [{}, {"Fastly-Key": "wrong"}])
def test_the_cli_s_first_question_is_answered_without_a_key(db, headers):
    answer = Client(headers=headers).get(OIDC)

    assert (answer.status_code, answer.json()) == (200, {})
    assert answer.headers["Content-Type"] == "application/json"


def test_the_person_behind_the_key_has_fastly_s_shape(eve, acme, time_machine):
    answer = client_of(eve).get("/api/current_user").json()

    created = answer.pop("created_at")
    assert len(created) == len("2026-11-22T12:00:00Z")
    assert answer == {
        "id": eve.user_id,
        "name": "Eve",
        "login": "eve@example.com",
        "customer_id": acme.pk,
        "role": "engineer",
        "roles": ["engineer"],
        "limit_services": False,
        "locked": False,
        "require_new_password": False,
        "two_factor_auth_enabled": None,
        "last_active_at": None,
        "updated_at": "2026-11-22T12:00:00Z",
        "deleted_at": None,
    }


def test_a_change_of_role_shows_on_the_next_request(eve):
    api = client_of(eve)
    Membership.objects.filter(user_id=eve.user_id).update(role="billing")

    assert api.get("/api/current_user").json()["role"] == "billing"


def test_a_key_of_somebody_who_left_the_account_is_no_key(eve):
    api = client_of(eve)
    Membership.objects.filter(user_id=eve.user_id).delete()

    assert api.get("/api/current_user").status_code == 401
    assert api.post("/api/service", "name=x", FORM).status_code == 401


def test_a_key_that_has_expired_is_no_key(eve, time_machine):
    api = client_of(eve)
    ApiToken.objects.update(expires_at="2026-11-22T12:00:00Z")

    time_machine.move_to("2026-11-22T11:59:59Z", tick=False)
    before = api.get("/api/current_user").status_code
    time_machine.move_to("2026-11-22T12:00:00Z", tick=False)

    assert (before, api.get("/api/current_user").status_code) == (200, 401)


@pytest.mark.parametrize("path", ["/api/current_customer", "/api/customer/{}"])
def test_the_account_has_fastly_s_shape(una, acme, path):
    answer = client_of(una).get(path.format(acme.pk))

    assert answer.json() == {
        "id": acme.pk,
        "name": "Acme",
        "created_at": "2026-11-22T12:00:00Z",
        "updated_at": "2026-11-22T12:00:00Z",
        "deleted_at": None,
        "billing_contact_id": None,
        "technical_contact_id": None,
        "security_contact_id": None,
        "legal_contact_id": None,
        "billing_network_type": "public",
        "billing_ref": None,
        "can_upload_vcl": True,
        "can_reset_passwords": True,
        "force_2fa": False,
        "force_sso": False,
        "has_account_panel": True,
        "has_pci": False,
        "ip_whitelist": "0.0.0.0/0",
        "postal_address": None,
        "pricing_plan": "customer",
    }


def test_everybody_in_the_account_is_listed_by_name(una, eve, sam, stan, acme):
    answer = client_of(una).get(f"/api/customer/{acme.pk}/users")

    assert [(row["name"], row["role"]) for row in answer.json()] == [
        ("Eve", "engineer"),
        ("Sam", "superuser"),
        ("Una", "user"),
    ]


def test_somebody_of_the_account_is_shown(una, lin):
    answer = client_of(una).get(f"/api/user/{lin.user_id}")

    assert (answer.json()["name"], answer.json()["limit_services"]) == ("Lin", True)


@pytest.mark.parametrize(
    "path",
    [
        "/api/customer/{account}",
        "/api/customer/{account}/users",
        "/api/customer/{account}/tokens",
        "/api/user/{user}",
    ],
)
def test_another_account_s_people_do_not_exist(stan, sam, acme, path):
    answer = client_of(stan).get(path.format(account=acme.pk, user=sam.user_id))

    assert answer.status_code == 404
    assert answer.json()["msg"] == "Record not found"
