"""A superuser invites, finds, changes and removes members, and people create and revoke API tokens."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import expect

from accounts.commands.mail import invitation_key
from accounts.commands.tokens import issue_token
from accounts.models import ApiToken, Invitation, Membership, User
from accounts.roles import Role
from tests.factories import NOW

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PASSPHRASE = "quiet-harbour-lantern-42"


def add_members(account, count):
    users = User.objects.bulk_create(
        User(name=f"Person {number:02}", email=f"p{number}@example.com", password="!")
        for number in range(count)
    )
    Membership.objects.bulk_create(
        Membership(
            account=account,
            user=user,
            role=Role.USER,
            created_at=NOW,
            updated_at=NOW,
        )
        for user in users
    )


def test_members_are_found_and_their_roles_changed_after_a_review(
    browse, sam, eve, acme, shop
):
    add_members(acme, 60)
    page = browse(sam)

    page.open("/members/")
    page.reads("62 people.", "Eve", "Person 48")
    page.misses("Person 49")
    page.follow("Next members")
    page.reads("Person 59", "Sam")
    page.follow("Previous members")
    search = page.page.get_by_role("search", name="Search members")
    search.get_by_label("Search").fill("nothing like it")
    search.get_by_label("Search").press("Enter")
    page.reads("No member matches")
    page.follow("Show all")
    search.get_by_label("Role").select_option("engineer")
    search.get_by_role("button", name="Search").click()
    page.reads("Members found: 1")
    page.follow("Eve")

    # A new role is chosen with the keyboard, and what it gives and takes is read before.
    page.titled("Eve")
    page.page.get_by_label("Engineer").focus()
    page.page.keyboard.press("ArrowUp")
    page.page.keyboard.press("Enter")
    page.reads("From engineer to billing", "see costs and invoices")
    page.reads("activate and deactivate versions")
    assert page.faults() == []
    page.follow("Cancel")
    page.misses("see costs and invoices")
    page.page.locator("[name=role][value=user]").check()
    page.press("Show what changes")
    page.press("Change role to user")
    page.reads("Eve", "user", "View in Activity")
    assert Membership.objects.get(user_id=eve.user_id).role == Role.USER

    page.open(f"/members/?q={eve.label}")
    page.follow("Eve")
    page.follow("Choose services…")
    page.page.get_by_label("Chosen services only").check()
    page.choose("shop", "Read only")
    assert page.faults() == []
    page.press("Save the access of Eve")
    page.reads("shop read only")


def test_a_person_joins_by_invitation_and_is_removed_after_a_review(
    browse, sam, acme, shop
):
    page = browse(sam)
    page.open("/members/")
    page.reads("No pending invitations.")
    page.follow("Invite someone…")
    page.type("Email", "sam@example.com")
    page.press("Send invitation")
    page.reads("The invitation was not sent")
    assert page.faults() == []
    page.type("Email", "noor@example.com")
    page.page.locator("[name=role][value=engineer]").check()
    page.page.get_by_label("Limit to chosen services").check()
    page.choose("shop", "Full")
    # Enter searches in the field of the search, and sends the form in another.
    page.page.get_by_label("Find services by name or ID").press("Enter")
    page.titled("Invite someone")
    page.reads("1 chosen.")
    page.page.get_by_label("Email", exact=True).press("Enter")
    page.reads("Invited noor@example.com as engineer.", "Pending")
    assert page.faults() == []

    invitation = Invitation.objects.get(email="noor@example.com")
    newcomer = browse(None)
    newcomer.open(reverse("join", args=[invitation_key(invitation)]))
    newcomer.titled("Join Acme")
    newcomer.reads("Your role will be engineer.")
    newcomer.type("Your name", "Noor")
    newcomer.type("Password", "password")
    newcomer.press("Join Acme")
    newcomer.reads("You have not joined yet")
    assert newcomer.faults() == []
    newcomer.type("Password", PASSPHRASE)
    newcomer.press("Join Acme")
    newcomer.reads("You joined Acme. Your role is engineer.")

    page.open("/members/")
    page.reads("No pending invitations.")
    page.follow("Noor")
    page.reads("shop full")
    page.follow("Remove Noor…")
    page.reads("What ends immediately")
    assert page.faults() == []
    page.follow("Keep Noor")
    page.titled("Noor")
    page.follow("Remove Noor…")
    page.press("Remove Noor")
    page.reads("Removed Noor from Acme.")
    page.open("/members/?q=noor")
    page.reads("No member matches")

    # The next request of the person finds no account.
    newcomer.open("/services/")
    newcomer.titled("You don't belong to an account yet")
    assert newcomer.faults() == []


def test_tokens_are_searched_and_revoked_by_their_owner_and_by_superusers(
    browse, sam, eve, acme
):
    for actor, name in ((eve, "CI"), (eve, "Laptop"), (sam, "Deploy")):
        issue_token(
            actor,
            name=name,
            scope="global",
            services=[],
            expires_at=timezone.now() + timedelta(days=30),
            now=timezone.now(),
        )
    for_eve = browse(eve)
    for_eve.open("/api-tokens/")
    for_eve.reads("Your tokens (2)", "CI", "Laptop")
    for_eve.misses("Deploy")
    search = for_eve.page.get_by_role("search", name="Search tokens")
    search.get_by_label("Search").fill("nothing like it")
    search.get_by_label("Search").press("Enter")
    for_eve.reads("None of your tokens matches.")
    assert for_eve.faults() == []
    for_eve.follow("Show all")
    row = for_eve.page.get_by_role("row", name="Laptop")
    row.get_by_role("link", name="Revoke Laptop").click()
    for_eve.titled("Revoke Laptop?")
    assert for_eve.faults() == []
    for_eve.follow("Cancel")
    row.get_by_role("link", name="Revoke Laptop").click()
    for_eve.press("Revoke Laptop")
    for_eve.reads("Revoked token Laptop. Calls with it are refused.")
    expect(row).to_have_count(0)

    for_eve.page.go_back()
    for_eve.titled("Page not found")

    for_sam = browse(sam)
    for_sam.open("/api-tokens/")
    for_sam.reads("Other people's tokens (1)", "CI")
    for_sam.page.get_by_role("link", name="Revoke CI").click()
    for_sam.reads("Eve's token")
    for_sam.press("Revoke CI")
    for_sam.reads("Revoked token CI.")

    # A token of the account has a role of its own.
    for_sam.follow("New automation token…")
    for_sam.type("Name", "Nightly")
    for_sam.choose("Role", "Engineer")
    for_sam.press("Create token")
    for_sam.titled("Token Nightly created")
    for_sam.page.reload()
    for_sam.misses(str(ApiToken.objects.get(name="Nightly").digest))
    for_sam.follow("API tokens")
    for_sam.reads("Automation tokens (1)", "Nightly")
    assert for_sam.faults() == []
