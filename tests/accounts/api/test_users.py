"""The API of users and the account."""

import pytest
from django.test import Client

from accounts.models import ApiToken, Membership, User
from tests.factories.keys import FORM, client_of

OIDC = "/api/realms/fastly/.well-known/openid-configuration"


@pytest.mark.parametrize("headers", [{}, {"Fastly-Key": "wrong"}])
def test_the_openid_configuration_needs_no_token(db, headers):
    answer = Client(headers=headers).get(OIDC)

    assert (answer.status_code, answer.json()) == (200, {})
    assert answer.headers["Content-Type"] == "application/json"


def test_the_current_user_has_the_shape_of_fastly(eve, acme):
    User.objects.update(created_at="2026-11-21T12:00:00Z")

    assert client_of(eve).get("/api/current_user").json() == {
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
        "created_at": "2026-11-21T12:00:00Z",
        "updated_at": "2026-11-22T12:00:00Z",
        "deleted_at": None,
    }


def test_a_user_is_not_updated_before_they_are_created(eve):
    User.objects.update(created_at="2026-11-22T12:00:03Z")

    answer = client_of(eve).get("/api/current_user").json()

    assert answer["updated_at"] == answer["created_at"] == "2026-11-22T12:00:03Z"


def test_a_new_role_is_shown_on_the_next_request(eve):
    api = client_of(eve)
    Membership.objects.filter(user_id=eve.user_id).update(role="billing")

    assert api.get("/api/current_user").json()["role"] == "billing"


def test_the_token_of_a_removed_member_is_refused(eve):
    api = client_of(eve)
    Membership.objects.filter(user_id=eve.user_id).delete()

    assert api.get("/api/current_user").status_code == 401
    assert api.post("/api/service", "name=x", FORM).status_code == 401


def test_an_expired_token_is_refused(eve, time_machine):
    api = client_of(eve)
    ApiToken.objects.update(expires_at="2026-11-22T12:00:00Z")

    time_machine.move_to("2026-11-22T11:59:59Z", tick=False)
    before = api.get("/api/current_user").status_code
    time_machine.move_to("2026-11-22T12:00:00Z", tick=False)

    assert (before, api.get("/api/current_user").status_code) == (200, 401)


@pytest.mark.parametrize("path", ["/api/current_customer", "/api/customer/{}"])
def test_the_account_has_the_shape_of_fastly(una, acme, path):
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


def test_all_members_are_listed_by_name(una, eve, sam, stan, acme):
    answer = client_of(una).get(f"/api/customer/{acme.pk}/users")

    assert [(row["name"], row["role"]) for row in answer.json()] == [
        ("Eve", "engineer"),
        ("Sam", "superuser"),
        ("Una", "user"),
    ]


def test_a_member_is_shown(una, lin):
    answer = client_of(una).get(f"/api/user/{lin.user_id}")

    assert (answer.json()["name"], answer.json()["limit_services"]) == ("Lin", True)
