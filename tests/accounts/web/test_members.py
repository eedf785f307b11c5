"""The pages about people: who they are, what a change does before it is made, who may."""

import re

import pytest
from django.urls import reverse

from accounts.audit.models import AuditEvent
from accounts.commands.members import change_role, remove_member
from accounts.models import Invitation, Membership
from accounts.roles import Role
from tests.factories.accounts import MembershipFactory, member

PEOPLE = "/members/"


def text(page):
    """Return a page's main part without its tags, in single spaces."""
    main = page.content.decode().split("<main", 1)[1].split("</main>")[0]
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", main))


@pytest.fixture
def url(membership):
    def address(actor, page="member"):
        return reverse(page, args=[membership(actor).pk])

    return address


def test_a_superuser_sees_people_with_role_services_and_factor(sam, eve, lin, browser):
    words = text(browser(sam).get(PEOPLE))

    assert "3 people" in words
    assert re.search(r"Eve eve@example.com Engineer All None never Change Eve …", words)
    assert re.search(
        r"Lin lin@example.com Engineer shop full None never Change Lin …", words
    )
    assert "Invite somebody…" in words


def test_others_see_people_and_who_can_change_them(sam, eve, browser):
    words = text(browser(eve).get(PEOPLE))

    assert (
        "Your role is engineer. Superusers can change roles and access of people."
        in words
    )
    assert "Invite somebody…" not in words
    assert "Second factor" not in words


def test_the_list_takes_the_same_queries_for_any_number(
    acme, sam, browser, django_assert_num_queries
):
    client = browser(sam)
    member(acme, "Ann", Role.USER)
    client.get(PEOPLE)  # what Django reads once a process is read here
    with django_assert_num_queries(13):
        client.get(PEOPLE)

    for name in ("Ben", "Cem", "Dan", "Elf"):
        member(acme, name, Role.USER)
    with django_assert_num_queries(13):
        client.get(PEOPLE)


def test_a_change_of_role_shows_what_is_gained_and_lost_first(
    sam, eve, browser, url, membership
):
    words = text(browser(sam).get(url(eve), {"role": "billing"}))

    assert (
        "Eve gains see costs and invoices Eve loses configure services compare versions"
        in words
    )
    assert "Make Eve billing" in words
    assert membership(eve).role == "engineer"


def test_the_role_changes_by_post(acme, sam, eve, browser, url, membership, noted):
    client = browser(sam)

    answer = client.post(url(eve), {"role": "billing"})

    assert (answer.status_code, answer.url) == (302, url(eve))
    assert membership(eve).role == "billing"
    assert "Eve is now billing. It counts from their next request on." in text(
        client.get(url(eve))
    )
    assert noted(acme) == ["member.role_changed"]


def test_the_next_request_sees_the_new_role(sam, eve, browser, membership, now):
    client = browser(sam)
    member(membership(sam).account, "Grace", Role.SUPERUSER)
    assert client.get("/members/invite/").status_code == 200

    change_role(sam, membership=membership(sam), role="user", now=now)

    assert client.get("/members/invite/").status_code == 403


def test_who_was_removed_is_out_at_the_next_request(sam, eve, browser, membership, now):
    client = browser(eve)
    assert client.get(PEOPLE).status_code == 200

    remove_member(sam, membership=membership(eve), now=now)

    assert "You are in no account" in text(client.get(PEOPLE))


def test_the_last_superuser_is_told_why_they_stay(
    acme, sam, browser, url, membership, noted
):
    answer = browser(sam).post(url(sam), {"role": "user"})

    assert answer.status_code == 409
    assert "an account always keeps at least one" in text(answer)
    assert 'value="user" selected' in answer.content.decode()
    assert membership(sam).role == "superuser"
    assert noted(acme) == []


@pytest.mark.parametrize("role", ["owner", "", "superuser' --"])
def test_a_role_that_there_is_not_changes_nothing(
    sam, eve, browser, url, membership, role
):
    answer = browser(sam).post(url(eve), {"role": role})

    assert answer.status_code == 400
    assert membership(eve).role == "engineer"


def test_removing_says_what_ends_and_does_it_by_post(
    acme, sam, eve, browser, url, noted
):
    client, address = browser(sam), url(eve, "remove_member")

    assert "What ends at once" in text(client.get(address))
    answer = client.post(address)

    assert answer.url == PEOPLE
    assert "Eve is no longer in Acme." in text(client.get(PEOPLE))
    assert noted(acme) == ["member.removed"]


def test_the_last_superuser_cannot_be_removed(sam, browser, url, membership):
    answer = browser(sam).post(url(sam, "remove_member"))

    assert answer.status_code == 409
    assert membership(sam).role == "superuser"


@pytest.mark.parametrize("who", ["eve", "lin", "bo", "una"])
def test_other_roles_change_nobody(
    request, acme, sam, who, browser, url, membership, noted
):
    client = browser(request.getfixturevalue(who))

    assert client.get(url(sam)).status_code == 200
    assert client.get(url(sam), {"role": "user"}).status_code == 403
    assert client.post(url(sam), {"role": "user"}).status_code == 403
    assert client.post(url(sam, "remove_member")).status_code == 403
    assert client.get(url(sam, "member_access")).status_code == 403
    assert (
        client.post("/members/invite/", {"email": "x@example.com"}).status_code == 403
    )
    assert noted(acme) == []


def test_people_of_another_account_do_not_exist(sam, stan, browser, url):
    client = browser(sam)

    assert client.get(url(stan)).status_code == 404
    assert client.post(url(stan), {"role": "user"}).status_code == 404
    assert client.post(url(stan, "remove_member")).status_code == 404
    assert client.post(url(stan, "member_access"), {"limited": "no"}).status_code == 404


def test_an_invitation_is_sent_listed_and_withdrawn(acme, sam, browser, noted):
    client = browser(sam)
    client.post("/members/invite/", {"email": "Ned@example.com", "role": "user"})
    invitation = Invitation.objects.get()

    assert "ned@example.com is invited as user" in text(client.get(PEOPLE))
    assert "Open" in text(client.get(PEOPLE))
    client.post(reverse("revoke_invitation", args=[invitation.pk]))

    assert "its link is dead" in text(client.get(PEOPLE))
    assert noted(acme) == ["member.invited", "invitation.revoked"]


def test_a_refused_invitation_keeps_what_was_typed(sam, eve, browser):
    answer = browser(sam).post(
        "/members/invite/",
        {"email": "eve@example.com", "role": "billing", "limit_services": "on"},
    )

    assert answer.status_code == 400
    page = answer.content.decode()
    assert "Only engineers and users can be limited to chosen services." in page
    assert 'value="eve@example.com"' in page
    assert Invitation.objects.count() == 0


def test_whoever_is_in_the_account_is_not_invited_again(sam, eve, browser):
    answer = browser(sam).post(
        "/members/invite/", {"email": "eve@example.com", "role": "user"}
    )

    assert answer.status_code == 409
    assert "Eve is in Acme already." in text(answer)


def test_one_acts_in_the_account_one_switches_to(
    acme, globex, sam, browser, membership
):
    MembershipFactory.create(account=globex, user=membership(sam).user, role="user")
    client = browser(sam)
    assert "Sam sam@example.com Superuser" in text(client.get(PEOPLE))

    client.post("/switch/", {"account": globex.pk})

    assert "Sam sam@example.com User" in text(client.get(PEOPLE))
    assert client.get("/members/invite/").status_code == 403


def test_nobody_switches_to_an_account_they_are_not_in(acme, globex, sam, browser):
    client = browser(sam)

    assert client.post("/switch/", {"account": globex.pk}).status_code == 404
    assert client.session.get("account_id") is None


def test_nothing_is_seen_without_signing_in(sam, client, url):
    for address in (PEOPLE, url(sam), "/members/invite/", url(sam, "member_access")):
        page = client.get(address)
        assert (page.status_code, page.url) == (302, f"/accounts/login/?next={address}")
    assert AuditEvent.objects.count() == 0
    assert Membership.objects.count() == 1
