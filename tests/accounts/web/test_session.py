"""The choices of a browser session: the theme and the account."""

from datetime import timedelta
from html import unescape

import pytest
from django.test import Client

from accounts.commands.accounts import create_account
from accounts.commands.members import remove_member
from accounts.roles import Role
from products.services.models import Service
from tests.factories import NOW
from tests.factories.accounts import MembershipFactory, actor_for, member


@pytest.mark.parametrize("theme", ["system", "light", "dark"])
def test_a_theme_is_stored_and_the_user_returns_to_the_page(db, theme):
    client = Client()

    answer = client.post(
        "/theme/", {"theme": theme, "next": "/accounts/login/?next=/x"}
    )

    assert (answer.status_code, answer.url) == (303, "/accounts/login/?next=/x")
    assert f'data-theme="{theme}"'.encode() in client.get("/accounts/login/").content


@pytest.mark.parametrize("theme", ["", "neon", "dark; path=/"])
def test_an_unknown_theme_is_not_stored(db, theme):
    answer = Client().post("/theme/", {"theme": theme, "next": "/"})

    assert "theme" not in answer.cookies


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
        "",
    ],
)
def test_the_redirect_stays_within_the_portal(db, address):
    assert Client().post("/theme/", {"theme": "dark", "next": address}).url == "/"


def test_a_theme_is_set_only_by_post(db):
    assert Client().get("/theme/").status_code == 405


def test_the_form_requires_a_csrf_token(db, sam, browser):
    client = Client(enforce_csrf_checks=True)

    assert client.post("/theme/", {"theme": "dark"}).status_code == 403


def test_a_change_for_an_account_the_user_has_left_is_not_made_in_another(
    acme, sam, globex, membership, browser
):
    jo = member(acme, "Jo", Role.SUPERUSER)
    MembershipFactory.create(account=globex, user=jo, role=Role.SUPERUSER.value)
    client = browser(actor_for(jo, acme))
    assert "Acme" in client.get("/services/").content.decode()

    remove_member(sam, membership=membership(actor_for(jo, acme)), now=NOW)
    late = client.post("/services/", {"name": "late"})

    assert late.status_code == 409
    assert "You are now in Globex." in unescape(late.content.decode())
    assert Service.objects.count() == 0
    assert client.post("/services/", {"name": "meant"}).status_code == 303
    assert Service.objects.get().account_id == globex.pk


def test_a_form_opened_before_switching_accounts_is_refused(acme, globex):
    jo = member(acme, "Jo", Role.SUPERUSER)
    MembershipFactory.create(account=globex, user=jo, role=Role.SUPERUSER.value)
    client = Client(enforce_csrf_checks=True)
    client.force_login(jo)
    client.get("/services/")
    token = {"csrfmiddlewaretoken": client.cookies["tollgate_csrf"].value}

    changed = client.post("/switch/", {"account": globex.pk} | token)
    late = client.post("/services/", {"name": "late"} | token)

    assert (changed.status_code, late.status_code) == (303, 403)
    assert "switched accounts" in late.content.decode()
    assert Service.objects.count() == 0


def shown_account(client):
    title = client.get("/").content.decode().partition("<title>")[2]
    return title.partition("</title>")[0].split(" · ")[-2]


def test_an_account_that_staff_open_for_a_user_waits_for_them_to_accept(
    ada, acme, eve, browser
):
    create_account(
        ada,
        name="Aardvark",
        superuser_email="eve@example.com",
        superuser_name="",
        password=None,
        now=NOW + timedelta(days=1),
    )

    shown = browser(eve).get("/").content.decode()
    assert shown_account(browser(eve)) == "Acme"
    assert "Aardvark" not in shown


def test_the_account_chosen_last_is_the_default_after_the_next_sign_in(
    acme, globex, eve, browser
):
    MembershipFactory.create(account=globex, user_id=eve.user_id)
    before = shown_account(browser(eve))

    browser(eve).post("/switch/", {"account": globex.pk})

    assert (before, shown_account(browser(eve))) == ("Acme", "Globex")
