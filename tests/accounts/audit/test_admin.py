"""The admin's pages of the audit trail: entries, chains, no changes."""

import re
from html import unescape

import pytest
from django.contrib import admin
from django.db import connection
from django.test import RequestFactory
from django.urls import reverse

from accounts.audit import triggers
from accounts.audit.models import AuditEvent, ChainHead
from tests.factories.accounts import UserFactory

EVENTS = reverse("admin:audit_auditevent_changelist")
CHAINS = reverse("admin:audit_chainhead_changelist")


def test_an_entry_shows_its_changes_and_source(ada, trail):
    event = AuditEvent.objects.get(account_id="acme", sequence=1)

    page = ada.get(
        reverse("admin:audit_auditevent_change", args=[event.pk])
    ).content.decode()
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", unescape(page)))

    assert "Field Before After State disabled enabled" in text
    assert "Sam enabled WebSockets" in text
    assert "Sign-in method password, confirmed at 2026-03-01T11:58:00.000000Z" in text
    assert "IP address 192.0.2.7" in text
    assert "Email address sam@acme.example" in text
    assert "Reason launch" in text
    assert "Row intact" in text
    assert event.canonical in unescape(page)


def test_an_altered_entry_is_marked_on_its_page_and_in_the_list(ada, trail):
    triggers.remove(connection)
    event = AuditEvent.objects.get(account_id="acme", sequence=1)
    AuditEvent.objects.filter(pk=event.pk).update(outcome="refused")

    rows = ada.get(EVENTS).content.decode()
    page = ada.get(
        reverse("admin:audit_auditevent_change", args=[event.pk])
    ).content.decode()

    assert "ALTERED: its column outcome differs from its text." in page
    assert rows.count(">ALTERED<") == 1


@pytest.mark.parametrize("text", ["not JSON", "[1]"])
def test_an_entry_with_an_unreadable_text_is_still_shown(ada, trail, text):
    triggers.remove(connection)
    event = AuditEvent.objects.get(account_id="acme", sequence=1)
    AuditEvent.objects.filter(pk=event.pk).update(canonical=text)

    page = ada.get(
        reverse("admin:audit_auditevent_change", args=[event.pk])
    ).content.decode()

    assert "ALTERED: its text does not give its hash." in page


def test_the_list_of_one_account_shows_its_chain(ada, trail):
    page = ada.get(f"{EVENTS}?account=acme").content.decode()

    assert "Chain of acme: 2 entries, the last at 2026-03-01 12:00:00 UTC." in page


def test_a_chain_is_verified_on_its_page(ada, trail):
    page = ada.get(
        reverse("admin:audit_chainhead_change", args=["acme"])
    ).content.decode()

    assert "OK: 2 entries verified. No checkpoint yet." in page


def test_a_broken_chain_shows_its_first_invalid_entry(ada, trail):
    triggers.remove(connection)
    AuditEvent.objects.filter(account_id="acme", sequence=2).delete()

    page = ada.get(
        reverse("admin:audit_chainhead_change", args=["acme"])
    ).content.decode()

    assert "BROKEN at entry 2: the entry is missing at the end of the chain." in page
    assert "1 entry before it verified." in page


def test_a_long_chain_is_verified_on_request(ada, trail, monkeypatch):
    monkeypatch.setattr("accounts.admin.trail.MAX_VERIFIED_ON_OPEN", 1)
    page = reverse("admin:audit_chainhead_change", args=["acme"])

    assert "Not verified yet (2 entries)." in ada.get(page).content.decode()
    assert "OK: 3 entries verified." in ada.get(f"{page}?verify=1").content.decode()


def test_chains_are_found_by_the_start_of_the_account_id(ada, trail):
    page = ada.get(f"{CHAINS}?q=glo").content.decode()

    assert ">globex<" in page
    assert ">acme<" not in page


@pytest.mark.parametrize("model", ["auditevent", "chainhead"])
def test_not_even_a_django_superuser_adds_changes_or_deletes(ada, trail, model):
    key = {"auditevent": AuditEvent, "chainhead": ChainHead}[model].objects.first().pk
    before = (list(AuditEvent.objects.values()), list(ChainHead.objects.values()))
    act = {"action": "delete_selected", "_selected_action": [key], "post": "yes"}

    answers = [
        ada.get(reverse(f"admin:audit_{model}_add")).status_code,
        ada.post(reverse(f"admin:audit_{model}_add"), {}).status_code,
        ada.post(
            reverse(f"admin:audit_{model}_change", args=[key]), {"sequence": 9}
        ).status_code,
        ada.get(reverse(f"admin:audit_{model}_delete", args=[key])).status_code,
        ada.post(
            reverse(f"admin:audit_{model}_delete", args=[key]), {"post": "yes"}
        ).status_code,
    ]
    ada.post(reverse(f"admin:audit_{model}_changelist"), act)

    assert answers == [403] * 5
    assert (
        list(AuditEvent.objects.values()),
        list(ChainHead.objects.values()),
    ) == before


def test_the_lists_have_no_actions(ada, trail):
    request = RequestFactory().get(EVENTS)
    request.user = UserFactory.create(is_staff=True, is_superuser=True)

    assert [
        admin.site._registry[model].get_actions(request)
        for model in (AuditEvent, ChainHead)
    ] == [
        {},
        {},
    ]


def test_personal_data_has_no_list_of_its_own():
    assert "PersonalData" not in {model.__name__ for model in admin.site._registry}


def test_staff_read_without_being_django_superusers(client, trail):
    client.force_login(UserFactory.create(is_staff=True))

    assert client.get(EVENTS).content.decode().count('class="field-sequence"') == 3


def test_a_customer_cannot_open_the_list(client, trail):
    client.force_login(UserFactory.create())

    assert client.get(EVENTS).status_code in {302, 403}


def test_an_unknown_entry_redirects(ada, trail):
    assert (
        ada.get(reverse("admin:audit_auditevent_change", args=[10**9])).status_code
        == 302
    )


@pytest.mark.parametrize("year", ["-1", "0", "99999", "9" * 30])
@pytest.mark.parametrize("listed", [EVENTS, CHAINS])
def test_an_impossible_year_does_not_show_the_whole_list(ada, trail, listed, year):
    page = ada.get(listed, {"at__year": year})

    assert page.status_code == 400
    assert "We could not read a filter of this list." in page.content.decode()
