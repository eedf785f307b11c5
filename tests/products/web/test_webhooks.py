"""The pages of webhooks: add, change, log, send again, remove."""

from datetime import timedelta

import pytest
from django.urls import reverse

from products.webhooks.commands import deliveries
from products.webhooks.models import Delivery, Webhook
from products.webhooks.sender import Result
from tests.factories import NOW
from tests.factories.trail import noted
from tests.factories.webhooks import WebhookFactory
from tests.products.web.conftest import text_of

URL = "https://example.com/hooks"


@pytest.fixture
def page(browser, sam):
    """Return Sam's browser, just re-authenticated."""
    return browser(sam)


def test_without_webhooks_the_page_says_what_they_are(page, acme):
    assert "You have no webhooks" in page.get("/webhooks/").content.decode()


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ({}, ["a.example", "b.example", "c.example"]),
        ({"sort": "new"}, ["c.example", "b.example", "a.example"]),
        ({"q": "B.EXAMPLE"}, ["b.example"]),
        ({"state": "active"}, ["a.example"]),
        ({"state": "failing"}, ["b.example"]),
        ({"state": "paused"}, ["c.example"]),
        ({"q": "a.example", "state": "paused"}, []),
    ],
    ids=str,
)
def test_the_list_is_searched_filtered_and_ordered(page, acme, query, shown):
    states = {
        "a": {"failing_since": None},
        "b": {"failing_since": NOW},
        "c": {"failing_since": NOW, "paused_at": NOW},
    }
    for day, (name, state) in enumerate(states.items()):
        WebhookFactory.create(
            account=acme,
            url=f"https://{name}.example/hooks",
            created_at=NOW + timedelta(days=day),
            **state,
        )

    answer = page.get("/webhooks/", query)

    urls = [each["row"].url for each in answer.context["rows"]]
    assert urls == [f"https://{name}/hooks" for name in shown]
    assert ("No webhook matches" in text_of(answer)) == (not shown)


def test_a_new_webhook_shows_its_secret_once(page, acme):
    answer = page.post(
        "/webhooks/new/", {"url": URL, "events": ["product.enabled"]}, follow=True
    )

    row = Webhook.objects.get()
    assert (row.url, row.events) == (URL, ["product.enabled"])
    assert "whsec_" in answer.content.decode()
    assert "whsec_" not in page.get(reverse("webhook", args=[row.pk])).content.decode()
    again = page.get(reverse("webhook_created", args=[row.pk])).content.decode()
    assert "whsec_" not in again
    assert "The secret was shown once" in again


def test_the_browser_does_not_keep_a_url_while_signing_in_again(page, acme):
    form = page.get("/webhooks/new/").context["form"]

    kept_out = [
        name
        for name, each in form.fields.items()
        if "data-not-kept" in each.widget.attrs
    ]
    assert kept_out == ["url"]


def test_a_bad_url_keeps_the_form(page, acme):
    answer = page.post("/webhooks/new/", {"url": "nowhere"})

    assert answer.status_code == 400
    assert not Webhook.objects.exists()


def test_webhooks_of_a_suspended_account_can_be_seen_but_not_changed(page, acme):
    row = WebhookFactory.create(account=acme, events=["version.locked"])
    suspended(acme)
    path = reverse("webhook", args=[row.pk])

    listed = page.get("/webhooks/").content.decode()
    shown = page.get(path).content.decode()
    changed = page.post(path, {"url": f"{URL}/2", "events": []})
    asked = page.get(reverse("delete_webhook", args=[row.pk]))

    row.refresh_from_db()
    assert path in listed
    assert "New webhook" not in listed
    assert "version.locked" in shown
    assert "Send test message" not in shown
    assert (changed.status_code, asked.status_code) == (403, 403)
    assert row.events == ["version.locked"]


def test_a_suspended_account_is_named_as_the_reason_and_support_as_the_way(page, acme):
    suspended(acme)

    answer = page.get("/webhooks/new/")

    text = text_of(answer)
    assert answer.status_code == 403
    assert "You can't do that while Acme is suspended Nothing was changed." in text
    assert "Reason: Unpaid" in text
    assert "Contact support; they can lift the suspension." in text
    assert "don't have permission" not in text
    assert "who can change roles" not in text


def suspended(account):
    account.suspended_at, account.suspension_reason = NOW, "Unpaid"
    account.save()


def test_a_webhook_is_changed_paused_and_removed(page, acme):
    row = WebhookFactory.create(account=acme, events=["version.locked"])
    path = reverse("webhook", args=[row.pk])

    page.post(path, {"url": f"{URL}/2", "events": ["version.locked"], "paused": "on"})
    row.refresh_from_db()
    removed = page.post(reverse("delete_webhook", args=[row.pk]))

    assert (row.url, row.events, row.is_paused) == (
        f"{URL}/2",
        ["version.locked"],
        True,
    )
    assert removed.status_code == 303
    assert noted(acme.pk) == ["webhook.updated", "webhook.deleted"]


def test_the_log_shows_results_and_older_pages(page, acme):
    row = WebhookFactory.create(account=acme)
    Delivery.objects.bulk_create(
        Delivery(
            webhook=row,
            sequence=number,
            event="version.locked",
            created_at=NOW,
            attempted_at=NOW,
            duration_ms=12,
            status=500,
            problem="The server responded with 500.",
        )
        for number in range(1, 52)
    )
    path = reverse("webhook", args=[row.pk])

    first = page.get(path)
    older = page.get(first.context["page"].next_url)

    assert len(first.context["deliveries"]) == 50
    assert "The server responded with 500." in first.content.decode()
    assert [each.sequence for each in older.context["deliveries"]] == [1]
    assert older.context["page"].next_url == ""


def test_deliveries_are_listed_by_event_and_result(page, acme):
    row = WebhookFactory.create(account=acme)
    for sequence, event, tried, problem in (
        (1, "version.locked", NOW, ""),
        (2, "version.locked", NOW, "The server responded with 500."),
        (3, "token.issued", NOW, "The server responded with 500."),
        (4, "token.issued", None, ""),
    ):
        Delivery.objects.create(
            webhook=row,
            sequence=sequence,
            event=event,
            created_at=NOW,
            attempted_at=tried,
            problem=problem,
            duration_ms=12 if tried else None,
            status=500 if problem else None,
        )

    def listed(**query):
        answer = page.get(reverse("webhook", args=[row.pk]), query)
        return [each.sequence for each in answer.context["deliveries"]]

    assert listed(result="failed") == [3, 2]
    assert listed(result="delivered") == [1]
    assert listed(result="waiting") == [4]
    assert listed(q="Token", result="failed") == [3]
    missing = page.get(reverse("webhook", args=[row.pk]), {"q": "nothing"})
    assert "No delivery matches." in missing.content.decode()


def test_entries_are_sent_again(page, acme):
    row = WebhookFactory.create(account=acme)
    page.post(reverse("webhook", args=[row.pk]), {"url": f"{URL}/2"})

    replayed = page.post(reverse("replay_webhook", args=[row.pk]), {"after": "0"})
    resent = page.post(reverse("resend_message", args=[row.pk, 1]))
    wrong = page.post(reverse("replay_webhook", args=[row.pk]), {"after": "99"})

    assert (replayed.status_code, resent.status_code, wrong.status_code) == (
        303,
        303,
        400,
    )
    assert "Nothing was sent again" in wrong.content.decode()
    assert noted(acme.pk) == ["webhook.updated", "webhook.replayed", "webhook.resent"]


@pytest.mark.parametrize("person", ["eve", "bo", "una"])
def test_no_other_role_sees_webhooks(browser, request, acme, person):
    answer = browser(request.getfixturevalue(person)).get("/webhooks/")

    assert answer.status_code == 403


def test_a_secret_is_replaced_on_its_page_and_shown_once(page, acme):
    row = WebhookFactory.create(account=acme)
    path = reverse("rotate_webhook_secret", args=[row.pk])

    asked = page.get(path)
    replaced = page.post(path, {"overlap_hours": "24"}, follow=True)
    again = page.get(reverse("webhook_created", args=[row.pk]))
    wrong = page.post(path, {"overlap_hours": "999"})

    assert asked.status_code == 200
    assert "whsec_" in replaced.content.decode()
    assert "whsec_" not in again.content.decode()
    assert wrong.status_code == 400
    assert noted(acme.pk) == ["webhook.secret_rotated"]


def test_the_page_says_what_came_of_a_test_message(page, acme, monkeypatch):
    row = WebhookFactory.create(account=acme, url="https://127.0.0.1/hooks")
    path = reverse("send_test", args=[row.pk])

    refused = page.post(path, follow=True).content.decode()
    monkeypatch.setattr(deliveries, "send_all", lambda _: [Result(204, "", 37)])
    accepted = page.post(path, follow=True).content.decode()
    monkeypatch.setattr(deliveries, "TESTS_PER_HOUR", 0)
    limited = page.post(path, follow=True).content.decode()

    assert "The test message was not accepted. The URL leads to" in refused
    assert "The server accepted the test message: 204, 37 ms." in accepted
    assert "This account has sent its test messages for this hour." in limited
    assert noted(acme.pk) == ["webhook.tested"] * 2
