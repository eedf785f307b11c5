"""Adding and changing webhooks: what they can be, what is noted, and what is secret."""

from datetime import timedelta

import pytest

from accounts.audit import reader
from accounts.audit.models import AuditEvent
from accounts.audit.vocabulary import Event
from accounts.encryption import decrypt
from accounts.errors import Invalid, NotFound
from products.webhooks.commands import (
    add_webhook,
    change_webhook,
    remove_webhook,
    replay_webhook,
    resend_message,
    rotate_secret,
)
from products.webhooks.commands.webhooks import (
    MAX_WEBHOOKS,
    DuplicateWebhook,
    TooManyWebhooks,
)
from products.webhooks.models import Delivery, Webhook
from tests.factories import NOW
from tests.factories.trail import last_entry, noted
from tests.factories.webhooks import SECRET, WebhookFactory

URL = "https://example.com/hooks"


def test_a_new_webhook_gets_the_entries_from_then_on(sam, acme, note):
    note(Event.VERSION_LOCKED)

    added = add_webhook(sam, account=acme, url=URL, events=["product.enabled"], now=NOW)

    row = Webhook.objects.get()
    assert reader.position_of(row.reader, acme.pk) == 1
    assert last_entry(acme.pk)["after"] == {"url": URL, "events": ["product.enabled"]}
    assert added.secret.startswith("whsec_")


def test_the_secret_is_encrypted_and_in_no_entry(sam, acme, settings):
    secret = add_webhook(sam, account=acme, url=URL, events=[], now=NOW).secret
    stored = Webhook.objects.get().secret

    assert secret not in stored
    assert decrypt(stored) == secret
    assert not AuditEvent.objects.filter(canonical__contains=secret[6:]).exists()
    settings.SECRET_KEY = "a new key"
    assert decrypt(stored) == secret


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.com",
        "ftp://example.com/",
        "https://",
        "https://user:secret@example.com/",
        "https://example.com/#x",
        "https://example.com:0/",
        "https://example.com:99999/",
        "https://exämple.com/",
        "https://example.com/a b",
        "https://example.com/\r\nHost: x",
        f"https://example.com/{'x' * 500}",
    ],
)
def test_an_impossible_url_is_refused_at_the_field(sam, acme, url):
    with pytest.raises(Invalid) as refused:
        add_webhook(sam, account=acme, url=url, events=[], now=NOW)

    assert refused.value.field == "url"
    assert noted(acme.pk) == []


def test_an_unknown_event_is_refused(sam, acme):
    with pytest.raises(Invalid, match=r"There is no event nothing\.happened"):
        add_webhook(sam, account=acme, url=URL, events=["nothing.happened"], now=NOW)


def test_a_url_is_used_once_per_account(sam, stan, acme, globex):
    add_webhook(sam, account=acme, url=URL, events=[], now=NOW)
    add_webhook(stan, account=globex, url=URL, events=[], now=NOW)

    with pytest.raises(DuplicateWebhook):
        add_webhook(sam, account=acme, url=URL, events=[], now=NOW)


def test_an_account_has_a_limited_number(sam, acme):
    for number in range(MAX_WEBHOOKS):
        WebhookFactory.create(account=acme, url=f"{URL}/{number}")

    with pytest.raises(TooManyWebhooks):
        add_webhook(sam, account=acme, url=URL, events=[], now=NOW)


def test_what_is_the_same_notes_nothing(sam, acme):
    row = WebhookFactory.create(account=acme)

    change_webhook(sam, webhook=row, url=row.url, events=[], is_paused=False, now=NOW)

    assert noted(acme.pk) == []


def test_pausing_says_who_did_it(sam, acme):
    row = WebhookFactory.create(account=acme)

    change_webhook(sam, webhook=row, url=row.url, events=[], is_paused=True, now=NOW)

    row.refresh_from_db()
    assert (row.paused_at, row.pause_reason) == (NOW, "Sam paused it.")
    assert last_entry(acme.pk)["after"] == {"paused": True}


def test_removing_deletes_log_and_position(sam, acme):
    row = WebhookFactory.create(account=acme)
    resend_target(row)

    remove_webhook(sam, webhook=row, now=NOW)

    assert not Webhook.objects.exists()
    assert not Delivery.objects.exists()
    assert reader.position_of(row.reader, acme.pk) == 0
    with pytest.raises(NotFound):
        remove_webhook(sam, webhook=row, now=NOW)


def resend_target(row):
    Delivery.objects.create(webhook=row, sequence=1, event="x", created_at=NOW)


@pytest.mark.parametrize("after", [-1, 1])
def test_a_replay_starts_within_the_trail(sam, acme, after):
    row = WebhookFactory.create(account=acme)

    with pytest.raises(Invalid) as refused:
        replay_webhook(sam, webhook=row, after=after, now=NOW)

    assert refused.value.field == "after"


def test_an_entry_that_does_not_exist_cannot_be_sent_again(sam, acme):
    row = WebhookFactory.create(account=acme)

    with pytest.raises(NotFound):
        resend_message(sam, webhook=row, sequence=7, now=NOW)


def test_the_factory_s_secret_can_be_read(acme):
    assert decrypt(WebhookFactory.create(account=acme).secret) == SECRET


def test_a_replaced_secret_is_kept_for_the_overlap(sam, acme):
    row = WebhookFactory.create(account=acme)

    secret = rotate_secret(sam, webhook=row, overlap_hours=24, now=NOW)

    row.refresh_from_db()
    assert decrypt(row.secret) == secret != SECRET
    assert decrypt(row.earlier_secret) == SECRET
    assert row.earlier_secret_until == NOW + timedelta(hours=24)


def test_without_an_overlap_the_earlier_secret_is_deleted(sam, acme):
    row = WebhookFactory.create(account=acme)

    rotate_secret(sam, webhook=row, overlap_hours=0, now=NOW)

    row.refresh_from_db()
    assert (row.earlier_secret, row.earlier_secret_until) == ("", None)


@pytest.mark.parametrize("hours", [-1, 169])
def test_an_overlap_longer_than_a_week_is_refused(sam, acme, hours):
    row = WebhookFactory.create(account=acme)

    with pytest.raises(Invalid):
        rotate_secret(sam, webhook=row, overlap_hours=hours, now=NOW)

    assert decrypt(Webhook.objects.get().secret) == SECRET
