"""The theme is kept in a cookie, and nobody is led away from the portal."""

from html import unescape

import pytest
from django.test import Client

from accounts.commands.members import remove_member
from accounts.roles import Role
from products.services.models import Service
from tests.factories import NOW
from tests.factories.accounts import MembershipFactory, actor_for, member


@pytest.mark.parametrize("theme", ["system", "light", "dark"])
def test_a_theme_is_kept_and_one_stays_where_one_was(db, theme):
    client = Client()

    answer = client.post(
        "/theme/", {"theme": theme, "next": "/accounts/login/?next=/x"}
    )

    assert (answer.status_code, answer.url) == (302, "/accounts/login/?next=/x")
    assert f'data-theme="{theme}"'.encode() in client.get("/accounts/login/").content


@pytest.mark.parametrize("theme", ["", "neon", "dark; path=/"])
def test_a_theme_that_there_is_not_is_not_kept(db, theme):
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
def test_nobody_is_led_away(db, address):
    assert Client().post("/theme/", {"theme": "dark", "next": address}).url == "/"


def test_a_theme_is_set_by_post_alone(db):
    assert Client().get("/theme/").status_code == 405


def test_the_forms_need_their_token(db, sam, browser):
    client = Client(enforce_csrf_checks=True)

    assert client.post("/theme/", {"theme": "dark"}).status_code == 403


def test_a_change_meant_for_an_account_one_was_taken_out_of_is_made_in_no_other(
    acme, sam, globex, membership, browser
):
    jo = member(acme, "Jo", Role.SUPERUSER)
    MembershipFactory.create(account=globex, user=jo, role=Role.SUPERUSER.value)
    client = browser(actor_for(jo, acme))
    assert "Acme" in client.get("/services/").content.decode()

    remove_member(sam, membership=membership(actor_for(jo, acme)), now=NOW)
    late = client.post("/services/", {"name": "late"})

    assert late.status_code == 409
    assert "from now on you act in Globex" in unescape(late.content.decode())
    assert Service.objects.count() == 0
    assert client.post("/services/", {"name": "meant"}).status_code == 302
    assert Service.objects.get().account_id == globex.pk


def test_a_form_opened_before_the_account_was_changed_is_carried_out_in_neither(
    acme, globex
):
    jo = member(acme, "Jo", Role.SUPERUSER)
    MembershipFactory.create(account=globex, user=jo, role=Role.SUPERUSER.value)
    client = Client(enforce_csrf_checks=True)
    client.force_login(jo, "django.contrib.auth.backends.ModelBackend")
    client.get("/services/")
    token = {"csrfmiddlewaretoken": client.cookies["tollgate_csrf"].value}

    changed = client.post("/switch/", {"account": globex.pk} | token)
    late = client.post("/services/", {"name": "late"} | token)

    assert (changed.status_code, late.status_code) == (302, 403)
    assert "changed to another account" in late.content.decode()
    assert Service.objects.count() == 0
