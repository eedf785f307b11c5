"""The API that manages users and the account, as Fastly's command line and Terraform call it."""

import pytest

from accounts.actor import Context
from accounts.audit.models import AuditEvent
from accounts.commands.invitations import accept_invitation
from accounts.models import Account, Invitation, Membership, OutgoingMail, User
from accounts.roles import Role
from tests.factories.accounts import MembershipFactory
from tests.factories.keys import FORM, client_of
from tests.factories.trail import noted

NEW = "login=new%2Bone%40example.com&name=New+One&role=engineer"


def test_a_new_user_is_invited_and_shown_as_locked(sam, acme):
    api = client_of(sam)

    made = api.post("/api/user", NEW, FORM)

    body = made.json()
    assert made.status_code == 200
    assert (body["login"], body["name"], body["role"], body["locked"]) == (
        "new+one@example.com",
        "New One",
        "engineer",
        True,
    )
    assert api.get(f"/api/user/{body['id']}").json() == body
    assert OutgoingMail.objects.get().to == "new+one@example.com"
    assert noted(acme.pk) == ["member.invited"]


def test_an_engineer_creates_engineers_and_users_as_with_invitations(eve, lin):
    created = client_of(eve).post("/api/user", NEW, FORM)
    billing = NEW.replace("role=engineer", "role=billing")
    refused = client_of(eve).post("/api/user", billing, FORM)
    limited = client_of(lin).post("/api/user", NEW, FORM)

    assert (created.status_code, created.json()["role"]) == (200, "engineer")
    assert (refused.status_code, limited.status_code) == (403, 403)


def test_a_new_user_keeps_the_id_when_they_accept(sam, acme, now):
    api = client_of(sam)
    key = api.post("/api/user", NEW, FORM).json()["id"]

    accept_invitation(
        Context(),
        invitation=Invitation.objects.get(),
        user=None,
        now=now,
        name="New One",
        password="a quiet long password",
    )

    shown = api.get(f"/api/user/{key}").json()
    assert (shown["id"], shown["locked"]) == (key, False)


def test_an_invited_user_is_deleted_by_withdrawing_the_invitation(sam, acme):
    api = client_of(sam)
    key = api.post("/api/user", NEW, FORM).json()["id"]

    changed = api.put(f"/api/user/{key}", "role=user", FORM)
    deleted = api.delete(f"/api/user/{key}")

    assert changed.status_code == 400
    assert (deleted.status_code, deleted.json()) == (200, {"status": "ok"})
    assert api.get(f"/api/user/{key}").status_code == 404


@pytest.mark.parametrize(
    "sent",
    [
        "name=A",
        "login=a%40b.example",
        "login=x&name=A",
        "login=&name=A",
        "login=a%40b.example&name=",
        "",
    ],
)
def test_a_user_without_a_login_or_name_is_a_400(sam, sent):
    assert client_of(sam).post("/api/user", sent, FORM).status_code == 400
    assert not AuditEvent.objects.exists()


def test_another_account_s_id_is_refused_like_an_unknown_one(sam, stan, globex, acme):
    api = client_of(sam)

    answers = [
        api.post(path, f"{fields}&customer_id={key}", FORM)
        for path, fields in (("/api/user", NEW), ("/api/service", "name=x"))
        for key in (globex.pk, "unknown")
    ]

    assert {each.status_code for each in answers} == {400}
    assert {each.json()["detail"] for each in answers} == {
        "customer_id: This is not your account's ID."
    }
    own = api.post("/api/user", f"{NEW}&customer_id={acme.pk}", FORM)
    assert own.status_code == 200


def test_name_role_and_limit_are_changed_by_a_superuser(sam, eve, acme):
    answer = client_of(sam).put(
        f"/api/user/{eve.user_id}",
        "name=Eve+Two&role=user&limit_services=1&login=eve%40example.com",
        FORM,
    )

    body = answer.json()
    assert (body["name"], body["role"], body["limit_services"]) == (
        "Eve Two",
        "user",
        True,
    )
    assert noted(acme.pk) == [
        "user.updated",
        "member.role_changed",
        "member.access_limited",
    ]


def test_a_user_changes_their_own_name_and_nothing_else(eve, acme):
    api = client_of(eve)

    renamed = api.put(f"/api/user/{eve.user_id}", "name=Eva", FORM)
    promoted = api.put(f"/api/user/{eve.user_id}", "role=superuser", FORM)

    assert (renamed.status_code, renamed.json()["name"]) == (200, "Eva")
    assert promoted.status_code == 403
    assert Membership.objects.get(user_id=eve.user_id).role == "engineer"


def test_only_the_user_changes_a_name_that_other_accounts_see(sam, eve, globex, acme):
    user = User.objects.get(pk=eve.user_id)
    MembershipFactory.create(account=globex, user=user)

    answer = client_of(sam).put(f"/api/user/{eve.user_id}", "name=Eva", FORM)
    own = client_of(eve).put(f"/api/user/{eve.user_id}", "name=Eva", FORM)

    assert (answer.status_code, own.status_code) == (403, 200)
    assert noted(acme.pk) == noted(globex.pk) == ["user.updated"]


@pytest.mark.parametrize(
    "sent",
    [
        "login=a%40b.example",
        "locked=1",
        "role=owner",
        "customer_id=unknown",
        "name=",
        "name=+&role=user",
        "role=",
        "limit_services=",
    ],
)
def test_what_the_api_cannot_change_is_refused(sam, eve, sent):
    answer = client_of(sam).put(f"/api/user/{eve.user_id}", sent, FORM)

    assert answer.status_code == 400
    assert not AuditEvent.objects.exists()


def test_an_update_without_fields_changes_nothing(sam, eve):
    answer = client_of(sam).put(f"/api/user/{eve.user_id}", "", "application/json")

    assert (answer.status_code, answer.json()["name"]) == (200, "Eve")
    assert not AuditEvent.objects.exists()


def test_deleting_a_user_ends_the_membership_and_not_the_login(sam, eve, acme):
    answer = client_of(sam).delete(f"/api/user/{eve.user_id}")

    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert not Membership.objects.filter(user_id=eve.user_id).exists()
    assert User.objects.filter(pk=eve.user_id).exists()


def test_the_last_superuser_cannot_be_deleted(sam):
    answer = client_of(sam).delete(f"/api/user/{sam.user_id}")

    assert answer.status_code == 409
    assert Membership.objects.filter(role=Role.SUPERUSER).exists()


def test_a_password_reset_sends_an_email_and_changes_no_password(sam, eve, acme):
    before = User.objects.get(pk=eve.user_id).password

    answer = client_of(sam).post("/api/user/EVE@example.com/password/request_reset")

    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert OutgoingMail.objects.get().to == "eve@example.com"
    assert User.objects.get(pk=eve.user_id).password == before
    assert noted(acme.pk) == ["password.reset_requested"]


def test_a_password_of_a_stranger_is_not_reset(sam, stan):
    answer = client_of(sam).post("/api/user/stan@example.com/password/request_reset")

    assert answer.status_code == 404
    assert not OutgoingMail.objects.exists()


def test_the_account_is_renamed_by_a_superuser(sam, acme):
    api = client_of(sam)

    answer = api.put(f"/api/customer/{acme.pk}", "name=Acme+Ltd&can_upload_vcl=1", FORM)

    assert (answer.status_code, answer.json()["name"]) == (200, "Acme Ltd")
    assert noted(acme.pk) == ["account.renamed"]


def test_other_fields_of_the_account_cannot_be_changed(sam, acme):
    answer = client_of(sam).put(
        f"/api/customer/{acme.pk}", "name=B&billing_network_type=private", FORM
    )

    assert answer.status_code == 400
    assert "billing_network_type" in answer.json()["detail"]
    assert Account.objects.get(pk=acme.pk).name == "Acme"


def test_an_account_is_closed_by_support_only(sam, acme):
    answer = client_of(sam).delete(f"/api/customer/{acme.pk}")

    assert answer.status_code == 403
    assert Account.objects.filter(pk=acme.pk).exists()


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/user"),
        ("PUT", "/api/user/{user}"),
        ("PUT", "/api/customer/{customer}"),
        ("POST", "/api/invitations"),
        ("POST", "/api/service-authorizations"),
        ("PATCH", "/api/service-authorizations"),
        ("DELETE", "/api/service-authorizations"),
    ],
)
def test_permission_is_asked_before_the_body_is_read(lin, una, acme, method, path):
    answer = client_of(lin).generic(
        method,
        path.format(user=una.user_id, customer=acme.pk),
        b'{"broken": ',
        content_type="application/json",
    )

    assert answer.status_code == 403


def test_the_name_of_the_account_is_text(sam, acme):
    answer = client_of(sam).put(
        f"/api/customer/{acme.pk}", {"name": False}, content_type="application/json"
    )

    assert answer.status_code == 400
    assert answer.json()["detail"] == "name: Enter text."
