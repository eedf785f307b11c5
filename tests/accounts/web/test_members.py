"""The pages of members: the list, the review of a change, invitations, switching accounts."""

import re

import pytest
from django.urls import reverse

from accounts.audit.models import AuditEvent
from accounts.commands.members import change_role, remove_member
from accounts.models import Invitation, Membership
from accounts.roles import Role
from tests.factories.accounts import MembershipFactory, member

MEMBERS = "/members/"


def text(page):
    """Return a page's main part without its tags, in single spaces."""
    main = page.content.decode().split("<main", 1)[1].split("</main>")[0]
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", main))


@pytest.fixture
def url(membership):
    def address(actor, page="member"):
        return reverse(page, args=[membership(actor).pk])

    return address


def test_a_superuser_sees_roles_services_and_second_factors(sam, eve, lin, browser):
    shown = text(browser(sam).get(MEMBERS))

    assert "3 people" in shown
    assert re.search(r"Eve eve@example.com Engineer All None Never", shown)
    assert re.search(r"Lin lin@example.com Engineer shop full None Never", shown)
    assert "Invite someone…" in shown


@pytest.mark.parametrize(
    "asked, found",
    [
        ("q=EVE@", ["Eve"]),
        ("role=engineer", ["Eve", "Lin", "Max"]),
        ("can=configure", ["Eve", "Lin", "Sam"]),
        ("q=i&role=engineer", ["Lin"]),
        ("role=unknown", ["Bo", "Eve", "Lin", "Max", "Sam"]),
        ("sort=new&q=unknown", []),
    ],
)
def test_the_list_is_searched_and_filtered(
    acme, sam, eve, lin, bo, browser, asked, found
):
    member(acme, "Max", Role.ENGINEER, limit_services=True)

    page = browser(sam).get(f"{MEMBERS}?{asked}")

    assert [person["name"] for person in page.context["people"]] == found


def test_other_members_see_who_can_change_roles(sam, eve, browser):
    shown = text(browser(eve).get(MEMBERS))

    assert (
        "Your role is engineer. Superusers can change roles and access of people."
        in shown
    )
    assert "Invite someone…" not in shown
    assert "Second factor" not in shown


def test_the_list_takes_the_same_queries_for_any_number(
    acme, sam, browser, django_assert_num_queries
):
    client = browser(sam)
    member(acme, "Ann", Role.USER)
    client.get(MEMBERS)  # Django caches content types once per process
    with django_assert_num_queries(15):
        client.get(MEMBERS)

    for name in ("Ben", "Cem", "Dan", "Elf"):
        member(acme, name, Role.USER)
    with django_assert_num_queries(15):
        client.get(MEMBERS)


def test_a_change_of_role_is_reviewed_first(sam, eve, browser, url, membership):
    shown = text(browser(sam).get(url(eve), {"role": "billing"}))

    assert "Eve gains see costs and invoices set the budget Eve loses" in shown
    assert "configure services compare versions" in shown
    assert "Eve has no open invitations" in shown
    assert "Change role to billing" in shown
    assert membership(eve).role == "engineer"


def test_a_post_changes_the_role(acme, sam, eve, browser, url, membership, noted):
    client = browser(sam)

    answer = client.post(url(eve), {"role": "billing"})

    assert (answer.status_code, answer.url) == (303, url(eve))
    assert membership(eve).role == "billing"
    assert (
        "Eve&#x27;s role is now billing. It takes effect on the next request."
        in text(client.get(url(eve)))
    )
    assert noted(acme) == ["member.role_changed"]


def test_a_new_role_takes_effect_on_the_next_request(
    sam, eve, browser, membership, now
):
    client = browser(sam)
    member(membership(sam).account, "Grace", Role.SUPERUSER)
    assert client.get("/members/invite/").status_code == 200

    change_role(sam, membership=membership(sam), role="user", now=now)

    assert client.get("/members/invite/").status_code == 403


def test_a_removed_member_has_no_account_on_the_next_request(
    sam, eve, browser, membership, now
):
    client = browser(eve)
    assert client.get(MEMBERS).status_code == 200

    remove_member(sam, membership=membership(eve), now=now)

    assert "You don't belong to an account yet" in text(client.get(MEMBERS))


def test_the_only_superuser_cannot_give_up_the_role(
    acme, sam, browser, url, membership, noted
):
    answer = browser(sam).post(url(sam), {"role": "user"})

    assert answer.status_code == 409
    assert "Sam is the only superuser." in text(answer)
    assert membership(sam).role == "superuser"
    assert noted(acme) == []


def test_the_only_superuser_is_offered_nothing_that_would_be_refused(
    sam, eve, browser, url, membership, now
):
    client = browser(sam)
    alone = client.get(url(sam))
    change_role(sam, membership=membership(eve), role="superuser", now=now)
    with_another = client.get(url(sam))

    assert "Sam is the only superuser of Acme." in text(alone)
    assert b'name="role"' not in alone.content
    assert "Disable Sam" not in text(alone)
    assert "Remove Sam" not in text(alone)
    assert "only superuser" not in text(with_another)
    assert b'name="role"' in with_another.content
    assert "Disable Sam" in text(with_another)
    assert "Remove Sam" in text(with_another)


@pytest.mark.parametrize("role", ["owner", "", "superuser' --"])
def test_an_unknown_role_changes_nothing(sam, eve, browser, url, membership, role):
    answer = browser(sam).post(url(eve), {"role": role})

    assert answer.status_code == 400
    assert membership(eve).role == "engineer"


def test_removing_a_member_is_reviewed_first(acme, sam, eve, browser, url, noted):
    client, address = browser(sam), url(eve, "remove_member")

    assert "What ends immediately" in text(client.get(address))
    answer = client.post(address)

    assert answer.url == MEMBERS
    assert "Removed Eve from Acme." in text(client.get(MEMBERS))
    assert noted(acme) == ["member.removed"]


def test_the_pages_of_your_own_membership_say_so(sam, eve, browser, url):
    client = browser(sam)

    for page in ("member", "remove_member"):
        assert "this is you" in text(client.get(url(sam, page)))
        assert "this is you" not in text(client.get(url(eve, page)))


def test_only_those_who_stay_get_a_link_to_activity(
    sam, eve, browser, url, membership, now
):
    change_role(sam, membership=membership(eve), role="superuser", now=now)
    client = browser(sam)

    client.post(url(eve), {"role": "engineer"})
    assert "View in Activity" in text(client.get(MEMBERS))
    client.post(url(eve), {"role": "superuser"})
    client.get(MEMBERS)
    client.post(url(sam, "remove_member"))

    page = text(client.get("/"))
    assert "Removed Sam from Acme." in page
    assert "View in Activity" not in page


def test_the_only_superuser_cannot_be_removed(sam, browser, url, membership):
    answer = browser(sam).post(url(sam, "remove_member"))

    assert answer.status_code == 409
    assert membership(sam).role == "superuser"


def test_an_invitation_is_sent_listed_and_withdrawn(acme, sam, browser, noted):
    client = browser(sam)
    client.post("/members/invite/", {"email": "Ned@example.com", "role": "user"})
    invitation = Invitation.objects.get()

    assert "Invited ned@example.com as user." in text(client.get(MEMBERS))
    assert "Pending" in text(client.get(MEMBERS))
    client.post(reverse("revoke_invitation", args=[invitation.pk]))

    assert "Its link no longer works." in text(client.get(MEMBERS))
    assert noted(acme) == ["member.invited", "invitation.revoked"]


def test_an_invitation_is_sent_again_from_the_list(acme, sam, browser, noted):
    client = browser(sam)
    client.post("/members/invite/", {"email": "Ned@example.com", "role": "user"})
    first = Invitation.objects.get()

    client.post(reverse("resend_invitation", args=[first.pk]))

    shown = text(client.get(MEMBERS))
    assert "Sent the invitation for ned@example.com again." in shown
    assert "Invitations (1)" in shown
    assert noted(acme) == ["member.invited", "invitation.resent"]


def test_a_refused_invitation_keeps_the_typed_values(sam, eve, browser):
    answer = browser(sam).post(
        "/members/invite/",
        {"email": "eve@example.com", "role": "billing", "limit_services": "on"},
    )

    assert answer.status_code == 400
    page = answer.content.decode()
    assert "Only engineers and users can be limited to chosen services." in page
    assert 'value="eve@example.com"' in page
    assert Invitation.objects.count() == 0


def test_a_member_is_not_invited_again(sam, eve, browser):
    answer = browser(sam).post(
        "/members/invite/", {"email": "eve@example.com", "role": "user"}
    )

    assert answer.status_code == 409
    assert "Eve is already a member of Acme." in text(answer)


def test_after_switching_the_user_acts_in_the_other_account(
    acme, globex, sam, browser, membership
):
    MembershipFactory.create(account=globex, user=membership(sam).user, role="user")
    client = browser(sam)
    assert "Sam sam@example.com (you) Superuser" in text(client.get(MEMBERS))

    client.post("/switch/", {"account": globex.pk})

    assert "Sam sam@example.com (you) User" in text(client.get(MEMBERS))
    assert client.get("/members/invite/").status_code == 403


def test_a_user_cannot_switch_to_an_account_without_membership(
    acme, globex, sam, browser
):
    client = browser(sam)

    assert client.post("/switch/", {"account": globex.pk}).status_code == 404
    assert client.session.get("account_id") is None


def test_every_page_requires_sign_in(sam, client, url):
    for address in (MEMBERS, url(sam), "/members/invite/", url(sam, "member_access")):
        page = client.get(address)
        assert (page.status_code, page.url) == (302, f"/accounts/login/?next={address}")
    assert AuditEvent.objects.count() == 0
    assert Membership.objects.count() == 1


def test_an_invitation_limited_to_services_names_them(sam, shop, browser):
    browser(sam).post(
        "/members/invite/",
        {
            "email": "x@example.com",
            "role": "engineer",
            "limit_services": "on",
            f"level_{shop.pk}": "read_only",
        },
    )

    sent = Invitation.objects.get()
    assert (sent.limit_services, sent.services) == (True, {shop.pk: "read_only"})


def test_chosen_services_without_the_limit_send_no_invitation(sam, shop, browser):
    answer = browser(sam).post(
        "/members/invite/",
        {"email": "x@example.com", "role": "user", f"level_{shop.pk}": "read_only"},
    )

    assert answer.status_code == 400
    assert "Select this for chosen services" in text(answer)
    assert not Invitation.objects.exists()
