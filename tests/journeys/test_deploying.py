"""Why a version can't be deployed, and how traffic is moved or stopped after a review."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from products.deploy.commands import activate
from products.services.commands.versions import clone_version
from tests.factories.services import BackendFactory, SnippetFactory, parts, set_values
from tests.products.metering.reports import make_edge, record, take

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
AN_HOUR = 3_600  # seconds; longer than a re-authentication lasts


def test_each_cause_leads_to_what_mends_it_until_the_version_is_deployed(
    browse, sam, eve, una, draft, websockets
):
    BackendFactory.create(version=draft, name="far", shield="frankfurt-de")
    SnippetFactory.create(version=draft)
    checks = reverse("why", args=[draft.service_id, draft.number])

    # One cause each: Una's is her role, and the check leads to its rule.
    for_una = browse(una)
    for_una.open(checks)
    for_una.titled("Why can't I deploy?")
    for_una.reads("Your role is user.", "Who can fix it: Sam")
    assert for_una.faults() == []
    for_una.follow("About this check")
    for_una.page.wait_for_url("**/help/deployment-checks/#*")
    assert for_una.faults() == []

    # Eve requests what is not enabled, Sam follows the request and enables it.
    for_eve = browse(eve)
    for_eve.open(checks)
    for_eve.press("Request access")
    for_eve.reads("Request sent.", "Requested today")
    assert for_eve.faults() == []
    for_sam = browse(sam)
    for_sam.open("/")
    for_sam.reads("Eve requested WebSockets")
    for_sam.follow("Review request")
    assert for_sam.faults() == []
    for_sam.follow("Enable WebSockets…")
    for_sam.page.get_by_role("checkbox").check()
    for_sam.press("Enable WebSockets")
    for_sam.titled("WebSockets is enabled")
    for_sam.reads("Eve")
    assert for_sam.faults() == []

    # The shield prevents switching on; its field is one click away.
    for_eve.open(checks)
    for_eve.unfold("No compatibility rule is broken")
    for_eve.follow("Shield of far")
    for_eve.page.get_by_label("Shield").select_option("")
    for_eve.press("Save draft")
    for_eve.reads("Backend far saved.")
    for_eve.open(checks)
    for_eve.press("Switch WebSockets on")
    for_eve.reads("WebSockets is on for echo", "All checks pass.")
    assert for_eve.faults() == []
    for_eve.follow("Review and activate…")
    for_eve.press("Activate version 1")
    for_eve.reads("Activated version 1 of echo.")
    for_eve.follow("Checks")
    for_eve.reads("echo, version 1 is active. Nothing to deploy.")


def test_traffic_is_rolled_back_and_stopped_after_a_review_of_who_is_affected(
    browse, eve, switched_on, draft, now
):
    activate(eve, version=draft, now=now)
    second = clone_version(eve, version=draft, now=now)
    set_values(parts("backend", version=second), address="new.example.com")
    activate(eve, version=second, now=now + timedelta(hours=1))
    at = timezone.now()
    opened = {"service": switched_on.pk, "started_at": at - timedelta(seconds=90)}
    take(make_edge(last_seen_at=at), record(1, month=f"{at:%Y-%m}", **opened), now=at)
    page = browse(eve, confirmed=AN_HOUR)
    service = reverse("service", args=[switched_on.pk])

    # Reading is free: no review asks for the password.
    page.open(service)
    page.follow("Roll back to version 1")
    page.titled("Activate echo, version 1")
    page.reads("Rolls back from version 2 to version 1.", "new.example.com")
    assert page.faults() == []
    page.press("Activate version 1")
    page.reads("Activated version 1 of echo.")

    page.follow("Switch WebSockets off…")
    page.reads("1 is open.", "echo.example.com", "Who can switch it on again: Eve")
    assert page.faults() == []
    page.page.get_by_label("Type echo to confirm").fill("ech")
    page.press("Switch WebSockets off")
    page.reads("WebSockets was not switched off", "Type echo exactly.")
    assert page.faults() == []
    page.page.get_by_label("Type echo to confirm").fill("echo")
    page.press("Switch WebSockets off")
    page.reads("WebSockets is off for echo. New connections are refused")

    page.follow("Deactivate version 1…")
    page.reads("1 domain will return 404 to every request", "roll back to version")
    assert page.faults() == []
    page.page.get_by_label("Type echo to confirm").fill("echo")
    page.press("Deactivate version 1")
    page.reads("No version is active, so its domains return 404.")
    assert page.faults() == []


def test_a_deed_asks_who_you_are_in_place_and_names_itself(
    browse, sam, enabled, switched_on
):
    page = browse(sam, confirmed=AN_HOUR)
    page.open("/products/")
    page.follow("Disable WebSockets…")
    page.titled("Disable WebSockets")
    page.press("Disable WebSockets")
    page.reads("Confirm to disable WebSockets for Acme", "Nothing was changed yet.")
    assert page.faults() == []
    page.type("Your password", "not the password")
    page.press("Confirm")
    page.reads("You are not confirmed")
    assert page.faults() == []
    page.type("Your password", "correct horse battery staple")
    page.press("Confirm")
    page.reads("WebSockets is disabled")
    assert page.faults() == []
