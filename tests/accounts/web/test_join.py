"""The page behind an invitation's link: new users, existing users, ended invitations."""

from datetime import timedelta

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from accounts.commands.invitations import invite, revoke_invitation
from accounts.commands.mail import invitation_key
from accounts.models import Membership, User
from tests.accounts.web.test_members import text
from tests.factories import NOW
from tests.factories.accounts import PASSWORD, UserFactory

NEW = {"name": "Lin Okafor", "password": PASSWORD}


@pytest.fixture
def clock():
    with time_machine.travel(NOW, tick=False) as machine:
        yield machine


@pytest.fixture
def link(acme, sam, now, clock):
    invitation = invite(
        sam, account=acme, email="lin@example.com", role="engineer", now=now
    )
    return reverse("join", args=[invitation_key(invitation)])


def test_a_new_user_joins_with_a_name_and_a_password(acme, link, noted):
    client = Client()
    assert "You will sign in as lin@example.com" in text(client.get(link))

    answer = client.post(link, NEW)

    assert (answer.status_code, answer.url) == (303, "/")
    assert "Lin Okafor" in text(client.get("/members/"))
    assert noted(acme) == [
        "member.invited",
        "user.created",
        "member.joined",
        "user.logged_in",
    ]


def test_a_weak_password_is_refused_and_the_name_kept(link):
    answer = Client().post(link, NEW | {"password": "12345"})

    assert answer.status_code == 400
    page = answer.content.decode()
    assert "It must contain at least 12 characters." in page
    assert "This password is too common." in page
    assert 'value="Lin Okafor"' in page
    assert "12345" not in page
    assert not User.objects.filter(email="lin@example.com").exists()


def test_an_existing_user_signs_in_and_joins(acme, link, browser):
    user = UserFactory.create(name="Lin")
    client = Client()

    page = client.get(link)
    assert (
        f'href="/accounts/login/?next={link.replace(":", "%3A")}"'
        in page.content.decode()
    )
    client.force_login(user)
    client.post(link)

    assert Membership.objects.get(account=acme, user=user).role == "engineer"


def test_a_post_without_sign_in_does_not_join_an_existing_user(acme, link):
    user = UserFactory.create(name="Lin")

    answer = Client().post(link, NEW)

    assert answer.status_code == 409
    assert not Membership.objects.filter(user=user).exists()
    assert user.check_password(PASSWORD)


@pytest.mark.parametrize("method", ["get", "post"])
def test_another_user_is_not_offered_to_join(acme, link, una, browser, method):
    client = browser(una)

    answer = getattr(client, method)(link)
    left = client.post("/accounts/logout/", {"next": link})

    assert answer.status_code == 409
    assert "This invitation is for someone else" in text(answer)
    assert "l…@example.com" in text(answer)
    assert "Sign out to use it" in text(answer)
    assert (left.status_code, left.url) == (303, link)


def test_a_used_invitation_is_explained(link):
    Client().post(link, NEW)

    page = Client().get(link)

    assert page.status_code == 409
    assert "This invitation was used" in text(page)


def test_a_withdrawn_invitation_is_explained(acme, sam, link, now):
    revoke_invitation(sam, invitation=acme.invitations.get(), now=now)

    page = Client().get(link)

    assert (page.status_code, "This invitation was withdrawn" in text(page)) == (
        409,
        True,
    )
    assert Client().post(link, NEW).status_code == 409


def test_an_expired_invitation_is_explained(link, clock):
    clock.shift(timedelta(days=7))

    page = Client().get(link)

    assert (page.status_code, "This invitation has expired" in text(page)) == (
        409,
        True,
    )
    assert Client().post(link, NEW).status_code == 409
    assert not User.objects.filter(email="lin@example.com").exists()


@pytest.mark.parametrize("key", ["x", "a:b", "' or 1=1", "x" * 300])
def test_a_forged_link_is_not_found(db, key):
    assert Client().get(f"/join/{key}/").status_code == 404
