"""Staff read accounts and people in the admin; what they do goes through the commands."""

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse

from accounts.commands.accounts import suspend_account
from accounts.models import Account, Membership, OutgoingMail, User
from tests.factories.accounts import PASSWORD, UserFactory

OPEN = "/admin/accounts/account/open/"
FORM = {
    "name": "Initech",
    "superuser_email": "peter@initech.example",
    "superuser_name": "Peter",
}


def page_of(account, page="change"):
    return reverse(f"admin:accounts_account_{page}", args=[account.pk])


def test_staff_opens_an_account_and_is_named_in_its_trail(
    ada, browser, noted, last_body
):
    answer = browser(ada).post(OPEN, FORM)

    account = Account.objects.get()
    assert (answer.status_code, answer.url) == (302, "/admin/accounts/account/")
    assert Membership.objects.get().role == "superuser"
    assert OutgoingMail.objects.get().to == "peter@initech.example"
    assert noted(account) == ["account.created", "user.created", "member.joined"]
    assert last_body(account)["actor"] == {
        "type": "staff",
        "id": ada.user_id,
        "label": "Ada",
    }


def test_a_refusal_stands_at_its_field_and_opens_nothing(ada, browser):
    answer = browser(ada).post(OPEN, FORM | {"superuser_name": "Pe\x07ter"})

    assert answer.status_code == 400
    assert b"A name has no control characters." in answer.content
    assert b"peter@initech.example" in answer.content
    assert not Account.objects.exists()


def test_staff_suspends_and_resumes_with_a_reason(acme, ada, browser, noted):
    client = browser(ada)
    assert page_of(acme, "suspend").encode() in client.get(page_of(acme)).content

    client.post(page_of(acme, "suspend"), {"reason": "Unpaid."})
    acme.refresh_from_db()
    assert (acme.is_active, acme.suspension_reason) == (False, "Unpaid.")
    assert page_of(acme, "resume").encode() in client.get(page_of(acme)).content
    client.post(page_of(acme, "resume"), {"reason": "Paid."})

    acme.refresh_from_db()
    assert acme.is_active
    assert noted(acme) == [
        "account.read",
        "account.suspended",
        "account.read",
        "account.resumed",
    ]


def test_a_reason_is_required(acme, ada, browser, noted):
    answer = browser(ada).post(page_of(acme, "suspend"), {"reason": " "})

    assert answer.status_code == 400
    acme.refresh_from_db()
    assert acme.is_active
    assert noted(acme) == []


def test_what_is_suspended_is_not_suspended_again(acme, ada, browser, now):
    suspend_account(ada, account=acme, reason="Unpaid.", now=now)

    answer = browser(ada).post(page_of(acme, "suspend"), {"reason": "Again."})

    assert answer.status_code == 400
    assert b"Acme is suspended already." in answer.content


@pytest.mark.parametrize("model", ["account", "user", "invitation", "outgoingmail"])
def test_nobody_adds_or_deletes_not_even_a_django_superuser(
    acme, ada, eve, browser, model
):
    client = browser(ada)

    assert client.get(f"/admin/accounts/{model}/").status_code == 200
    assert client.get(f"/admin/accounts/{model}/add/").status_code == 403
    assert client.post(f"/admin/accounts/user/{eve.user_id}/delete/").status_code == 403
    assert client.post(page_of(acme), {"name": "Mine"}).status_code == 403
    assert Account.objects.get().name == "Acme"
    assert User.objects.filter(pk=eve.user_id).exists()


def test_a_password_hash_is_on_no_page(ada, eve, browser):
    page = browser(ada).get(reverse("admin:accounts_user_change", args=[eve.user_id]))

    assert page.status_code == 200
    assert User.objects.get(pk=eve.user_id).password.encode() not in page.content


@pytest.mark.parametrize("who", ["sam", "stan"])
def test_superusers_of_accounts_are_no_staff(request, acme, who, browser):
    client = browser(request.getfixturevalue(who))

    for address in (
        OPEN,
        page_of(acme),
        page_of(acme, "suspend"),
        page_of(acme, "resume"),
    ):
        assert client.post(address, FORM | {"reason": "x"}).status_code in {302, 403}
    acme.refresh_from_db()
    assert acme.is_active
    assert not Account.objects.filter(name="Initech").exists()


def test_createaccount_prints_a_new_password_once(db, capsys):
    call_command("createaccount", "Initech", "peter@initech.example", "--name", "Peter")

    printed = capsys.readouterr().out
    password = printed.rsplit(": ", 1)[1].strip()
    user = User.objects.get()
    assert (user.name, user.check_password(password), len(password)) == (
        "Peter",
        True,
        16,
    )


def test_createaccount_prints_no_password_of_somebody_known(db, capsys):
    user = UserFactory.create(name="Peter", email="peter@initech.example")

    call_command("createaccount", "Initech", "Peter@initech.example")

    assert "with the password they have" in capsys.readouterr().out
    user.refresh_from_db()
    assert user.check_password(PASSWORD)


def test_createaccount_says_what_is_wrong_and_makes_nothing(db):
    with pytest.raises(CommandError, match="This is not an e-mail address"):
        call_command("createaccount", "Initech", "peter")

    assert not Account.objects.exists()


def test_the_admin_has_no_page_that_changes_how_somebody_signs_in(ada, browser):
    client = browser(ada)

    for app in (
        "auth/group",
        "account/emailaddress",
        "mfa/authenticator",
        "usersessions",
    ):
        assert client.get(f"/admin/{app}/").status_code == 404, app


def test_staff_change_their_password_on_the_portals_own_page(ada, browser):
    assert (
        browser(ada).get("/admin/password_change/").url == "/accounts/password/change/"
    )
