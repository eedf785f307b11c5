"""The first hour of an empty account: each step leads to the next, and all of them disappear."""

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_a_superuser_follows_the_first_steps_to_a_service_with_websockets(
    browse, sam, websockets, settings
):
    settings.DOMAIN_VERIFICATION = "off"
    page = browse(sam)
    page.open("/")
    page.reads("First steps", "Nothing needs your attention.", "No services yet.")
    assert page.faults() == []

    page.follow("Create a service…")
    page.reads("No services that you can see")
    assert page.faults() == []
    page.type("Name", "chat")
    page.press("Create service")
    page.reads("Created chat with an empty draft.")
    assert page.faults() == []

    page.open("/")
    page.follow("Add a domain to chat")
    page.type("Domain name", "chat.example.com")
    page.press("Save draft")
    page.open("/")
    page.follow("Add a backend to chat")
    page.type("Name", "origin")
    page.type("Address", "origin.example.com")
    page.press("Save draft")
    page.open("/")
    page.reads("Activate the version")
    page.follow("Activate version 1…")
    page.press("Activate version 1")
    page.reads("Activated version 1 of chat.")

    page.open("/")
    page.follow("Enable WebSockets…")
    page.page.get_by_role("checkbox").check()
    page.press("Enable WebSockets")
    page.titled("WebSockets is enabled")
    page.open("/")
    page.follow("Go to chat")
    page.press("Switch WebSockets on")
    page.reads("On for this service")

    page.open("/")
    page.reads("Latest activity", "Nothing needs your attention.", "This month so far")
    page.misses("First steps")
