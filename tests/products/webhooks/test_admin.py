"""Webhooks and deliveries in the admin: what fails and when it is tried again, never a secret."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.audit.models import AuditEvent
from accounts.encryption import encrypt
from products.webhooks.models import Delivery
from tests.factories import NOW
from tests.factories.accounts import AccountFactory
from tests.factories.webhooks import SECRET, WebhookFactory
from tests.products.web.conftest import text_of
from tests.query_plans import explained

WEBHOOKS = reverse("admin:webhooks_webhook_changelist")
DELIVERIES = reverse("admin:webhooks_delivery_changelist")


def minutes(count):
    return NOW + timedelta(minutes=count)


def attempt(webhook, minute, **fields):
    at = minutes(minute)
    values = {
        "event": "service.created",
        "created_at": at,
        "attempted_at": at,
        "sequence": 1,
    }
    return Delivery.objects.create(webhook=webhook, **values | fields)


@pytest.fixture
def good(acme):
    return WebhookFactory.create(account=acme, url="https://good.example.com/")


@pytest.fixture
def failing(globex):
    row = WebhookFactory.create(
        account=globex,
        url="https://bad.example.com/",
        events=["service.created"],
        failing_since=minutes(3),
        attempts=2,
        due_at=minutes(30),
    )
    attempt(row, 1, status=200)
    attempt(row, 3, status=500, problem="It responded with 500.")
    attempt(row, 5, status=500, problem="It responded with 500.", attempt=2)
    return row


def rows_of(page):
    return list(page.context["cl"].result_list)


def test_the_list_shows_what_fails_since_when_and_when_it_is_tried_again(
    staff, good, failing
):
    page = staff.get(WEBHOOKS)

    assert rows_of(page) == [good, failing]
    assert (
        "https://bad.example.com/ Globex failing service.created 22 Nov 2026, 12:01 UTC "
        "22 Nov 2026, 12:05 UTC 22 Nov 2026, 12:30 UTC"
    ) in text_of(page)
    assert "https://good.example.com/ Acme active all – – –" in text_of(page)
    account = reverse("admin:accounts_account_change", args=[failing.account_id])
    assert f'<a href="{account}">Globex</a>' in page.content.decode()


def test_webhooks_are_found_by_state_url_id_and_account(staff, acme, good, failing):
    paused = WebhookFactory.create(account=acme, url="https://p.example.com/")
    paused.paused_at = NOW
    paused.save()
    queries = {
        "state=active": [good],
        "state=failing": [failing],
        "state=paused": [paused],
        "q=good.example": [good],
        f"q={failing.pk}": [failing],
        f"q={failing.account_id}": [failing],
        "q=globex": [failing],
        f"account={failing.account_id}": [failing],
    }

    found = {query: rows_of(staff.get(f"{WEBHOOKS}?{query}")) for query in queries}

    assert found == queries


def test_deliveries_are_found_by_state_event_webhook_and_account(staff, good, failing):
    waiting = attempt(good, 9, event="product.enabled", attempted_at=None)
    second, first, accepted = Delivery.objects.filter(webhook=failing).order_by("-pk")
    queries = {
        "state=waiting": [waiting],
        "state=delivered": [accepted],
        "state=failed": [second, first],
        "q=product.enabled": [waiting],
        f"q={good.pk}": [waiting],
        "q=bad.example": [second, first, accepted],
        "q=acme": [waiting],
    }

    found = {query: rows_of(staff.get(f"{DELIVERIES}?{query}")) for query in queries}

    assert found == queries


def test_only_the_last_attempt_and_a_waiting_message_have_a_next_attempt(
    staff, good, failing
):
    attempt(failing, 6, status=500, problem="It responded with 500.", is_resend=True)
    attempt(failing, 7, status=500, problem="It responded with 500.", sequence=None)
    attempt(good, 9, attempted_at=None)
    paused = WebhookFactory.create(url="https://p.example.com/", paused_at=NOW)
    attempt(paused, 9, attempted_at=None)

    text = text_of(staff.get(DELIVERIES))

    failed = "failed 2 500 It responded with 500. 22 Nov 2026, 12:30 UTC"
    assert text.count("22 Nov 2026, 12:30 UTC") == text.count(failed) == 1
    assert text.count("waiting 1 – – 22 Nov 2026, 12:00 UTC") == 1
    assert text.count("waiting 1 – – –") == 1


def test_the_rows_show_no_secret_and_lead_to_each_other(staff, failing):
    failing.earlier_secret = encrypt("whsec_earlier")
    failing.save()
    last = Delivery.objects.latest("pk")

    webhook = staff.get(reverse("admin:webhooks_webhook_change", args=[failing.pk]))
    delivery = staff.get(reverse("admin:webhooks_delivery_change", args=[last.pk]))

    assert f"{DELIVERIES}?q={failing.pk}" in webhook.content.decode()
    assert webhook.wsgi_request.path in delivery.content.decode()
    text = webhook.content.decode() + delivery.content.decode()
    secrets = (SECRET, failing.secret, failing.earlier_secret)
    assert [each for each in secrets if each in text] == []
    assert "Last failure: 22 Nov 2026, 12:05 UTC" in text_of(webhook)


def test_reading_a_delivery_is_noted_in_the_accounts_trail(staff, failing):
    last = Delivery.objects.latest("pk")

    staff.get(reverse("admin:webhooks_delivery_change", args=[last.pk]))

    [event] = AuditEvent.objects.filter(account_id=failing.account_id)
    assert event.action == "account.read"


def test_the_history_of_a_delivery_is_that_of_its_webhook(staff, failing):
    last = Delivery.objects.latest("pk")

    answer = staff.get(reverse("admin:webhooks_delivery_history", args=[last.pk]))

    assert answer.url.endswith(f"?target_type=webhook&target={failing.pk}")


def test_deliveries_of_an_event_are_found_by_an_index(staff, failing):
    page = staff.get(DELIVERIES, {"q": "service.created"})

    plan = explained(page.context["cl"].queryset[:51])

    assert "delivery_event" in plan
    assert "sort" not in plan.lower()


@pytest.mark.parametrize("url", [WEBHOOKS, DELIVERIES])
def test_a_list_costs_the_same_queries_whatever_its_length(staff, failing, url):
    staff.get(url)  # the first view is noted
    with CaptureQueriesContext(connection) as few:
        staff.get(url)
    for account in AccountFactory.create_batch(10):
        attempt(WebhookFactory.create(account=account), 1, status=200)

    with CaptureQueriesContext(connection) as many:
        staff.get(url)

    assert len(many) == len(few)


def test_staff_change_nothing(staff, failing):
    url = reverse("admin:webhooks_webhook_change", args=[failing.pk])

    assert staff.post(url, {"url": "https://evil.example.com/"}).status_code == 403
    assert staff.get(f"{WEBHOOKS}add/").status_code == 403
