"""`/api/v1/webhooks`: the whole life of a webhook, by a superuser who has re-authenticated."""

import pytest
from django.utils import timezone

from accounts.models import ApiToken
from accounts.sudo import start_sudo
from products.webhooks.commands import deliver_due, deliveries
from products.webhooks.models import Delivery, Webhook
from tests.factories.keys import client_of
from tests.factories.webhooks import WebhookFactory

PATH = "/api/v1/webhooks"
JSON = "application/json"
URL = "https://example.com/hooks"


@pytest.fixture
def proven(sam):
    """Return Sam's client, just re-authenticated."""
    api = client_of(sam)
    token = ApiToken.objects.get(user_id=sam.user_id)
    start_sudo(sam.user_id, token_id=token.pk, now=timezone.now())
    return api


def test_a_webhook_is_added_changed_and_removed(proven):
    added = proven.post(PATH, {"url": URL, "events": ["product.enabled"]}, JSON)
    one = f"{PATH}/{added.json()['id']}"
    changed = proven.patch(one, {"paused": True}, JSON)
    listed = proven.get(PATH)
    removed = proven.delete(one)

    assert added.json()["secret"].startswith("whsec_")
    assert (changed.json()["paused"], changed.json()["events"]) == (
        True,
        ["product.enabled"],
    )
    assert changed.json()["pause_reason"].endswith("paused it.")
    assert listed.json() == {"data": [changed.json()], "meta": {"next": ""}}
    assert "secret" not in listed.json()["data"][0]
    assert (removed.status_code, proven.get(one).status_code) == (204, 404)


def test_entries_are_sent_again_and_the_log_is_paged(proven, acme):
    added = proven.post(PATH, {"url": "https://nothing.invalid/"}, JSON)
    one = f"{PATH}/{added.json()['id']}"

    replayed = proven.post(f"{one}/replay", {"after": 0}, JSON)
    resent = proven.post(f"{one}/messages/1/resend", {}, JSON)
    Delivery.objects.create(
        webhook_id=added.json()["id"],
        sequence=1,
        event="webhook.created",
        created_at=timezone.now(),
    )
    first = proven.get(f"{one}/deliveries?limit=1").json()
    second = proven.get(first["meta"]["next"]).json()

    assert (replayed.json()["sequence"], replayed.json()["end"]) == (0, 2)
    assert resent.json() == {"status": "ok"}
    assert [row["sequence"] for row in first["data"] + second["data"]] == [1, 1]
    assert second["data"][0] == {
        "id": second["data"][0]["id"],
        "sequence": 1,
        "event": "webhook.created",
        "attempt": 1,
        "resend": True,
        "test": False,
        "attempted_at": None,
        "duration_ms": None,
        "status": None,
        "problem": "",
    }
    assert second["meta"]["next"] == ""


@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE"])
def test_without_a_proof_nothing_changes(sam, acme, method):
    row = WebhookFactory.create(account=acme)
    path = PATH if method == "POST" else f"{PATH}/{row.pk}"

    answer = client_of(sam).generic(method, path, '{"url": "https://x.example/"}', JSON)

    assert (answer.status_code, answer.json()["code"]) == (
        403,
        "reauthentication_required",
    )
    assert list(Webhook.objects.values_list("url", flat=True)) == [row.url]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "url"),
        ({"url": "ftp://x"}, "url"),
        ({"url": URL, "events": ["no.event"]}, "events"),
        ({"url": URL, "event": ["product.enabled"]}, "event"),
    ],
)
def test_bad_input_is_refused_at_the_field(proven, body, field):
    answer = proven.post(PATH, body, JSON)

    assert answer.status_code == 400
    assert [each["field"] for each in answer.json()["fields"]] == [field]


def test_another_account_s_webhook_does_not_exist(stan, acme):
    row = WebhookFactory.create(account=acme)
    api = client_of(stan)

    assert api.get(f"{PATH}/{row.pk}").status_code == 404
    assert api.get(PATH).json()["data"] == []


def test_a_failed_delivery_is_in_the_log(proven, acme):
    added = proven.post(PATH, {"url": "https://nothing.invalid/"}, JSON)
    proven.post(f"{PATH}/{added.json()['id']}/replay", {"after": 0}, JSON)

    deliver_due(now=timezone.now())

    log = proven.get(f"{PATH}/{added.json()['id']}/deliveries").json()["data"]
    assert [(row["sequence"], row["status"], row["problem"]) for row in log] == [
        (1, None, "The host name has no address.")
    ]


def test_a_new_secret_is_shown_once_with_the_end_of_the_earlier_one(proven, acme):
    row = WebhookFactory.create(account=acme)

    rotated = proven.post(f"{PATH}/{row.pk}/rotate", {}, JSON)
    shown = proven.get(f"{PATH}/{row.pk}").json()

    assert rotated.status_code == 200
    assert rotated.json()["secret"].startswith("whsec_")
    assert shown["earlier_secret_until"] == rotated.json()["earlier_secret_until"]
    assert shown["earlier_secret_until"]
    assert "secret" not in shown


def test_a_test_message_answers_with_its_result(sam, acme):
    row = WebhookFactory.create(account=acme, url="https://127.0.0.1/hooks")
    path = f"{PATH}/{row.pk}"

    answer = client_of(sam).post(f"{path}/test")

    assert answer.status_code == 200
    assert answer.json() == client_of(sam).get(f"{path}/deliveries").json()["data"][0]
    assert (answer.json()["test"], answer.json()["sequence"]) == (True, None)
    assert answer.json()["problem"] == (
        "The URL leads to an address that is not allowed."
    )


def test_a_limit_is_429_with_the_time_to_wait(sam, acme, monkeypatch):
    row = WebhookFactory.create(account=acme)
    monkeypatch.setattr(deliveries, "TESTS_PER_HOUR", 0)

    answer = client_of(sam).post(f"{PATH}/{row.pk}/test")

    assert (answer.status_code, answer.json()["code"]) == (429, "limit_reached")
    assert 0 < int(answer["Retry-After"]) <= 3600
    assert not Delivery.objects.exists()
