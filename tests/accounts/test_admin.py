"""The admin's pages of accounts and users, and `createaccount`."""

from datetime import timedelta

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.audit.models import PLATFORM, AuditEvent
from accounts.commands.accounts import suspend_account
from accounts.commands.tokens import issue_automation_token, issue_token, revoke_token
from accounts.models import (
    Account,
    ApiToken,
    Membership,
    Notice,
    OutgoingMail,
    User,
)
from tests.factories import NOW
from tests.factories.accounts import PASSWORD, UserFactory
from tests.products.web.conftest import text_of

CREATE = "/admin/accounts/account/open/"
FORM = {
    "name": "Initech",
    "superuser_email": "peter@initech.example",
    "superuser_name": "Peter",
}


def page_of(account, page="change"):
    return reverse(f"admin:accounts_account_{page}", args=[account.pk])


def test_staff_create_an_account_and_are_named_in_its_trail(
    ada, browser, noted, last_body
):
    answer = browser(ada).post(CREATE, FORM)

    account = Account.objects.get()
    assert (answer.status_code, answer.url) == (303, "/admin/accounts/account/")
    assert Membership.objects.get().role == "superuser"
    assert OutgoingMail.objects.get().to == "peter@initech.example"
    assert noted(account) == ["account.created", "user.created", "member.joined"]
    assert last_body(account)["actor"] == {
        "type": "staff",
        "id": ada.user_id,
        "label": "Ada",
    }


def test_a_refusal_is_shown_at_its_field_and_creates_nothing(ada, browser):
    answer = browser(ada).post(CREATE, FORM | {"superuser_name": "Pe\x07ter"})

    assert answer.status_code == 400
    assert b"Remove control characters from the name." in answer.content
    assert b"peter@initech.example" in answer.content
    assert not Account.objects.exists()


def test_staff_suspend_and_resume_with_a_reason(acme, ada, browser, noted):
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
        "account.resumed",
    ]


def test_a_reason_is_required(acme, ada, browser, noted):
    answer = browser(ada).post(page_of(acme, "suspend"), {"reason": " "})

    assert answer.status_code == 400
    acme.refresh_from_db()
    assert acme.is_active
    assert noted(acme) == []


def test_staff_read_the_security_policy_and_lift_it_with_a_reason(
    acme, ada, browser, last_body
):
    Account.objects.filter(pk=acme.pk).update(
        second_factor_required=True, session_idle_seconds=900
    )
    client = browser(ada)

    shown = client.get(page_of(acme)).content.decode()
    refused = client.post(page_of(acme, "lift_policy"), {"reason": ""})
    lifted = client.post(page_of(acme, "lift_policy"), {"reason": "Locked out."})

    assert "second factor required for all members" in shown
    assert "end 15 minutes after their last use" in " ".join(shown.split())
    assert refused.status_code == 400
    assert (lifted.status_code, lifted.url) == (303, page_of(acme))
    acme.refresh_from_db()
    assert (acme.second_factor_required, acme.session_idle_seconds) == (False, None)
    assert last_body(acme)["reason"] == "Locked out."
    after = client.get(page_of(acme)).content.decode()
    assert page_of(acme, "lift_policy") not in after


def test_an_account_is_not_suspended_twice(acme, ada, browser, now):
    suspend_account(ada, account=acme, reason="Unpaid.", now=now)

    answer = browser(ada).post(page_of(acme, "suspend"), {"reason": "Again."})

    assert answer.status_code == 400
    assert b"Acme is already suspended." in answer.content


@pytest.mark.parametrize("model", ["account", "user", "invitation", "outgoingmail"])
def test_not_even_a_django_superuser_adds_or_deletes(acme, ada, eve, browser, model):
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
def test_superusers_of_accounts_are_not_staff(request, acme, who, browser):
    client = browser(request.getfixturevalue(who))

    for address in (
        CREATE,
        page_of(acme),
        page_of(acme, "suspend"),
        page_of(acme, "resume"),
    ):
        assert client.post(address, FORM | {"reason": "x"}).status_code in {303, 403}
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


def test_createaccount_keeps_the_password_of_an_existing_user(db, capsys):
    user = UserFactory.create(name="Peter", email="peter@initech.example")

    call_command("createaccount", "Initech", "Peter@initech.example")

    assert "was invited to be its superuser" in capsys.readouterr().out
    user.refresh_from_db()
    assert user.check_password(PASSWORD)


def test_createaccount_reports_invalid_input_and_creates_nothing(db):
    with pytest.raises(CommandError, match="Enter a valid email address"):
        call_command("createaccount", "Initech", "peter")

    assert not Account.objects.exists()


def test_the_admin_has_no_pages_of_sign_in_data(ada, browser):
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


@pytest.mark.parametrize(
    ("url", "action"),
    [
        ("/admin/accounts/account/{account}/change/", "account.read"),
        ("/admin/accounts/user/{user}/change/", "account.read"),
        ("/admin/audit/auditevent/{event}/change/", "audit.read"),
        ("/admin/audit/chainhead/{account}/change/", "audit.read"),
    ],
)
def test_pages_about_an_account_are_noted_in_its_trail(
    acme, sam, ada, browser, noted, url, action
):
    browser(sam).post("/accounts/logout/")
    event = AuditEvent.objects.get(account_id=acme.pk)

    page = browser(ada).get(
        url.format(account=acme.pk, user=sam.user_id, event=event.pk)
    )

    assert page.status_code == 200
    assert noted(acme) == ["user.logged_out", action]


@pytest.mark.parametrize(
    ("url", "actions"),
    [
        ("/admin/accounts/user/", ["account.read"]),
        ("/admin/audit/auditevent/", ["audit.read"]),
        ("/admin/catalogue/product/", []),
    ],
)
def test_lists_of_customers_data_are_noted_in_the_platforms_trail(
    ada, browser, url, actions
):
    client = browser(ada)

    assert [client.get(url).status_code, client.get(url).status_code] == [200, 200]

    events = AuditEvent.objects.filter(account_id=PLATFORM)
    assert list(events.values_list("action", flat=True)) == actions


@pytest.fixture
def tokens(sam, shop, now):
    """Return an automation token for one service, a revoked and an expired token of Sam."""
    values = {"scope": "global", "expires_at": now + timedelta(days=30), "now": now}
    issued = [
        issue_automation_token(
            sam, name="robot", role="engineer", services=[shop.pk], **values
        ),
        issue_token(sam, name="lost", services=(), **values),
        issue_token(sam, name="old", services=(), **values),
    ]
    robot, lost, old = (each.token for each in issued)
    revoke_token(sam, token=lost, now=now)
    ApiToken.objects.filter(pk=old.pk).update(expires_at=now)
    return {"robot": robot, "lost": lost, "old": old}


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("state=valid", ["robot"]),
        ("state=expired", ["old"]),
        ("state=revoked", ["lost"]),
        ("q=robo", ["robot"]),
        ("q={id}", ["robot"]),
        ("q=sam", ["lost", "old"]),
        ("q=acme&user__isempty=1", ["robot"]),
    ],
)
@time_machine.travel(NOW, tick=False)
def test_staff_find_a_token_by_its_state_id_owner_and_account(
    tokens, ada, browser, query, found
):
    url = f"/admin/accounts/apitoken/?{query.format(id=tokens['robot'].pk)}"

    page = browser(ada).get(url)

    assert sorted(each.name for each in page.context["cl"].result_list) == found


@time_machine.travel(NOW, tick=False)
def test_a_token_says_who_it_acts_as_and_on_which_services_but_not_its_digest(
    tokens, sam, shop, ada, browser
):
    client = browser(ada)
    robot = tokens["robot"]
    pages = [
        client.get("/admin/accounts/apitoken/"),
        client.get(f"/admin/accounts/apitoken/{robot.pk}/change/"),
        client.get(f"/admin/accounts/apitoken/{tokens['old'].pk}/change/"),
    ]

    rows, automation, own = map(text_of, pages)
    digests = [each.digest for each in ApiToken.objects.all()]
    assert "robot Acme the account, as engineer global 1 service 22 Dec 2026" in rows
    assert f"Access to services: shop ({shop.pk})" in automation
    assert "Acts as: Sam" in own
    assert "Access to services: All services" in own
    assert f"/admin/accounts/user/{sam.user_id}/change/" in pages[2].content.decode()
    assert [each for each in digests for page in pages if each in page.text] == []


@pytest.mark.usefixtures("tokens")
def test_the_list_of_tokens_costs_the_same_queries_whatever_its_length(
    sam, ada, browser, now
):
    client = browser(ada)
    client.get("/admin/accounts/apitoken/")  # the first view is noted
    with CaptureQueriesContext(connection) as few:
        client.get("/admin/accounts/apitoken/")
    for number in range(10):
        issue_token(
            sam,
            name=f"token-{number}",
            scope="global",
            services=(),
            expires_at=now + timedelta(days=1),
            now=now,
        )

    with CaptureQueriesContext(connection) as many:
        client.get("/admin/accounts/apitoken/")

    assert len(many) == len(few)


def test_signing_out_in_the_admin_is_noted(ada, browser):
    client = browser(ada)

    client.post("/admin/logout/")

    assert AuditEvent.objects.get(account_id=PLATFORM).action == "user.logged_out"
    assert client.get("/admin/").status_code == 302


def test_the_start_page_counts_the_new_notices(ada, browser):
    user = User.objects.get(pk=ada.user_id)
    notice = {"user": user, "topic": "edges", "page": "/admin/", "at": NOW}
    Notice.objects.create(sequence=1, sentence="edge-1 stopped reporting", **notice)
    Notice.objects.create(sequence=2, sentence="Read", read_at=NOW, **notice)

    page = browser(ada).get("/admin/").content.decode()

    assert 'You have <a href="/notices/">1 new notice</a>.' in page


@pytest.mark.parametrize(
    ("term", "found"),
    [
        ("cme", ["Acme"]),
        ("  ACME ", ["Acme"]),
        ("Acme GmbH", []),
        ("{id:.9}", ["Acme"]),
        ("Eve@", ["Acme"]),
        ("example.com", []),
        ("obe", ["Globex"]),
        ("", ["Acme", "Globex"]),
    ],
)
def test_staff_find_an_account_by_a_part_of_its_name_id_or_members_email(
    acme, globex, eve, ada, browser, term, found
):
    query = {"q": term.format(id=acme.pk)}

    page = browser(ada).get("/admin/accounts/account/", query)

    assert [each.name for each in page.context["cl"].result_list] == found
