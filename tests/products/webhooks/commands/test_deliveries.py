"""Delivery: signed, in order, retried, again after a crash, and never to a private address."""

import base64
import hashlib
import hmac
import json
import socket
import threading
from datetime import timedelta
from ipaddress import ip_network

import pytest

from accounts.audit import reader
from accounts.audit.vocabulary import Event
from accounts.errors import LimitReached
from products.webhooks.commands import (
    change_webhook,
    deliver_due,
    remove_old_deliveries,
    replay_webhook,
    resend_message,
    rotate_secret,
    send_test_message,
)
from products.webhooks.commands import deliveries as module
from products.webhooks.commands.deliveries import delay_after
from products.webhooks.messages import Message, signature
from products.webhooks.models import Delivery, Webhook
from products.webhooks.sender import Result
from tests.factories import NOW
from tests.factories.trail import noted
from tests.factories.webhooks import SECRET, WebhookFactory
from tests.portal.free_ports import free_port

ENABLED, LOCKED, CREATED = (
    Event.PRODUCT_ENABLED,
    Event.VERSION_LOCKED,
    Event.VERSION_CREATED,
)


def sequences(receiver):
    return [json.loads(body)["data"]["sequence"] for _, body in receiver.got]


def test_an_entry_is_sent_once_and_signed_as_standard_webhooks_says(
    webhook, receiver, note, acme
):
    note(ENABLED)

    assert deliver_due(now=NOW) == 1
    assert deliver_due(now=NOW) == 0

    ((headers, body),) = receiver.got
    signed = f"{acme.pk}-1.{int(NOW.timestamp())}.".encode() + body
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    digest = hmac.new(key, signed, hashlib.sha256).digest()
    assert headers["webhook-id"] == f"{acme.pk}-1"
    assert headers["webhook-timestamp"] == str(int(NOW.timestamp()))
    assert headers["webhook-signature"] == f"v1,{base64.b64encode(digest).decode()}"
    assert (headers["content-type"], headers["path"]) == (
        "application/json",
        "/hooks?key=1",
    )
    message = json.loads(body)
    assert (message["type"], message["timestamp"]) == (
        "product.enabled",
        "2026-11-22T12:00:00.000000Z",
    )
    assert message["data"]["after"] == {"ok": True}


def test_entries_are_sent_in_order_and_others_are_passed_over(webhook, receiver, note):
    Webhook.objects.update(events=["product.enabled", "version.locked"])
    note(ENABLED, CREATED, LOCKED, CREATED)

    deliver_due(now=NOW)

    assert sequences(receiver) == [1, 3]
    assert reader.position_of(webhook.reader, webhook.account_id) == 4


def test_a_failing_entry_holds_back_those_after_it_and_is_retried_later(
    webhook, receiver, note
):
    note(ENABLED, LOCKED)
    receiver.statuses = [500, 503]

    deliver_due(now=NOW)
    deliver_due(now=NOW + timedelta(seconds=4))
    deliver_due(now=NOW + timedelta(seconds=7))
    deliver_due(now=NOW + timedelta(seconds=16))
    deliver_due(now=NOW + timedelta(seconds=19))

    assert sequences(receiver) == [1, 1, 1, 2]
    assert len({headers["webhook-id"] for headers, _ in receiver.got}) == 2
    rows = Delivery.objects.order_by("pk").values_list(
        "sequence", "attempt", "status", "problem"
    )
    assert list(rows) == [
        (1, 1, 500, "The server responded with 500."),
        (1, 2, 503, "The server responded with 503."),
        (1, 3, 204, ""),
        (2, 1, 204, ""),
    ]
    webhook.refresh_from_db()
    assert (webhook.attempts, webhook.failing_since) == (0, None)


def test_a_receiver_that_is_down_delays_no_other_webhook(webhook, receiver, note, acme):
    down = WebhookFactory.create(account=acme, url=f"http://127.0.0.1:{free_port()}/")
    note(ENABLED, LOCKED)

    deliver_due(now=NOW)

    assert sequences(receiver) == [1, 2]
    failed = Delivery.objects.get(webhook=down)
    assert (failed.status, failed.problem) == (None, "The server could not be reached.")
    down.refresh_from_db()
    assert down.failing_since == down.due_at - timedelta(seconds=5)


def test_a_killed_process_sends_the_message_in_flight_again_with_the_same_id(
    webhook, receiver, note, monkeypatch
):
    note(ENABLED, LOCKED)
    with monkeypatch.context() as patch:
        patch.setattr(module, "_record", killed)
        with pytest.raises(KeyboardInterrupt):
            deliver_due(now=NOW)

    during = deliver_due(now=NOW + timedelta(seconds=59))
    deliver_due(now=NOW + timedelta(seconds=61))

    assert during == 0
    assert sequences(receiver) == [1, 1, 2]
    ids = [headers["webhook-id"] for headers, _ in receiver.got]
    assert ids[0] == ids[1]


def killed(*args):
    raise KeyboardInterrupt


def test_two_sweeps_at_the_same_time_send_a_message_once(
    webhook, receiver, note, monkeypatch
):
    note(ENABLED)
    send = module.send_all

    def send_while_another_sweep_runs(requests):
        monkeypatch.setattr(module, "send_all", send)
        assert deliver_due(now=NOW) == 0
        return send(requests)

    monkeypatch.setattr(module, "send_all", send_while_another_sweep_runs)

    deliver_due(now=NOW)

    assert sequences(receiver) == [1]


def test_a_replay_sends_everything_after_a_sequence_again(webhook, receiver, note, sam):
    note(ENABLED, LOCKED)
    deliver_due(now=NOW)

    replay_webhook(sam, webhook=webhook, after=1, now=NOW)
    deliver_due(now=NOW)

    # The third is the entry about the replay itself.
    assert sequences(receiver) == [1, 2, 2, 3]


def test_a_replay_during_a_send_is_not_lost(webhook, receiver, note, sam, monkeypatch):
    note(ENABLED, LOCKED)
    send = module.send_all

    def send_and_replay(requests):
        monkeypatch.setattr(module, "send_all", send)
        results = send(requests)
        replay_webhook(sam, webhook=webhook, after=0, now=NOW)
        return results

    deliver_due(now=NOW)
    note(CREATED)
    monkeypatch.setattr(module, "send_all", send_and_replay)
    deliver_due(now=NOW)
    deliver_due(now=NOW)

    assert sequences(receiver) == [1, 2, 3, 1, 2, 3, 4]


def test_one_message_is_sent_again_without_moving_the_position(
    webhook, receiver, note, sam
):
    note(ENABLED, LOCKED)
    deliver_due(now=NOW)
    Webhook.objects.update(events=["product.enabled"])

    resend_message(sam, webhook=webhook, sequence=2, now=NOW)
    deliver_due(now=NOW)

    assert sequences(receiver) == [1, 2, 2]
    last = Delivery.objects.order_by("pk").last()
    assert (last.is_resend, last.status, last.is_delivered) == (True, 204, True)
    assert reader.position_of(webhook.reader, webhook.account_id) == 3


def test_a_webhook_that_fails_for_three_days_is_paused_and_resumes_where_it_stopped(
    webhook, receiver, note, acme, sam
):
    note(ENABLED)
    receiver.statuses = [500, 500]
    deliver_due(now=NOW)
    deliver_due(now=NOW + timedelta(days=3, minutes=1))
    webhook.refresh_from_db()
    reason, sent = webhook.pause_reason, len(receiver.got)

    deliver_due(now=NOW + timedelta(days=4))
    held = len(receiver.got)
    change_webhook(
        sam, webhook=webhook, url=webhook.url, events=[], is_paused=False, now=NOW
    )
    deliver_due(now=NOW + timedelta(days=4))

    assert reason == "It failed for 3 days. The server responded with 500."
    assert sent == held == 2
    assert noted(acme.pk)[1:] == ["webhook.paused", "webhook.updated"]
    assert sequences(receiver) == [1, 1, 1, 2, 3]


def test_a_receiver_that_is_gone_pauses_the_webhook(webhook, receiver, note):
    note(ENABLED)
    receiver.statuses = [410]

    deliver_due(now=NOW)

    webhook.refresh_from_db()
    assert webhook.is_paused


def test_a_redirect_is_a_failure_and_is_not_followed(webhook, receiver, note):
    note(ENABLED)
    receiver.statuses, receiver.location = [302], receiver.url

    deliver_due(now=NOW)

    assert len(receiver.got) == 1
    assert Delivery.objects.get().problem == "The server responded with 302."


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1:{port}/",
        "http://127.0.0.1:{port}/",
        "http://localhost:{port}/",
        "http://[::ffff:127.0.0.1]:{port}/",
        "http://2130706433:{port}/",
        "http://0x7f.1:{port}/",
        "http://169.254.169.254/latest",
        "http://[64:ff9b::7f00:1]:{port}/",
        "https://10.0.0.1/",
    ],
)
def test_a_private_address_is_never_connected_to(acme, receiver, note, settings, url):
    settings.PRIVATE_ORIGINS = (ip_network("192.168.0.0/16"),)
    port = receiver.server_address[1]
    WebhookFactory.create(account=acme, url=url.format(port=port))
    note(ENABLED)

    deliver_due(now=NOW)

    assert receiver.got == []
    assert Delivery.objects.get().problem in {
        "The URL leads to an address that is not allowed.",
        "The host name has no address.",
    }


def test_plain_http_is_allowed_to_private_networks_only(
    acme, receiver, note, monkeypatch
):
    monkeypatch.setattr(
        "products.webhooks.sender.resolve", lambda *args: (ip_address_of("8.8.8.8"),)
    )
    WebhookFactory.create(account=acme, url="http://example.com/")
    note(ENABLED)

    deliver_due(now=NOW)

    assert Delivery.objects.get().problem == (
        "The URL leads to an address that is not allowed."
    )


def ip_address_of(text):
    return ip_network(text).network_address


@pytest.mark.parametrize("answer", [b"", b"SSH-2.0-x\r\n", b"HTTP/1.1 99 \r\n"])
def test_a_server_that_does_not_answer_in_http_is_a_failure(acme, note, answer):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        WebhookFactory.create(account=acme, url=f"http://127.0.0.1:{port}/")
        note(ENABLED)
        thread = answering(listener, answer)

        deliver_due(now=NOW)

        thread.join()
    assert Delivery.objects.get().problem in {
        "The server did not respond in HTTP.",
        "The server could not be reached.",
    }


def answering(listener, answer):
    def serve():
        connection, _ = listener.accept()
        with connection:
            connection.recv(65_536)
            connection.sendall(answer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    return thread


def test_a_server_that_does_not_answer_is_given_up(acme, note, monkeypatch):
    monkeypatch.setattr("products.webhooks.sender.SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        WebhookFactory.create(account=acme, url=f"http://127.0.0.1:{port}/")
        note(ENABLED)

        deliver_due(now=NOW)

    assert Delivery.objects.get().problem.startswith(
        "The server did not respond within"
    )


def test_nothing_is_sent_for_a_suspended_account(webhook, receiver, note, acme):
    note(ENABLED)
    acme.suspended_at = NOW
    acme.save()

    deliver_due(now=NOW)

    assert receiver.got == []


@pytest.mark.parametrize(
    ("attempts", "seconds"),
    [(1, 5), (2, 10), (5, 80), (13, 20_480), (14, 21_600), (10**6, 21_600)],
)
def test_the_delay_doubles_up_to_six_hours(attempts, seconds):
    assert delay_after(attempts) == timedelta(seconds=seconds)


def test_the_log_keeps_thirty_days_and_what_is_queued(webhook, note, sam):
    note(ENABLED)
    deliver_due(now=NOW)
    resend_message(sam, webhook=webhook, sequence=1, now=NOW)

    remove_old_deliveries(now=NOW + timedelta(days=31))

    assert [row.attempted_at for row in Delivery.objects.all()] == [None]


@pytest.mark.parametrize(("hours", "signatures"), [(0, 2), (23, 2), (24, 1)])
def test_until_the_overlap_ends_a_message_has_both_signatures(
    webhook, receiver, note, sam, hours, signatures
):
    new = rotate_secret(sam, webhook=webhook, overlap_hours=24, now=NOW)
    at = NOW + timedelta(hours=hours)
    note(ENABLED)

    deliver_due(now=at)

    (headers, body) = receiver.got[-1]
    message = Message(headers["webhook-id"], body)
    secrets = [new, SECRET][:signatures]
    assert headers["webhook-signature"].split(" ") == [
        signature(message, secret, int(at.timestamp())) for secret in secrets
    ]


# Test messages


def test_a_test_message_is_sent_signed_and_in_the_log(webhook, receiver, sam):
    attempt = send_test_message(sam, webhook=webhook, now=NOW)

    ((headers, body),) = receiver.got
    message = Message(f"{webhook.pk}-test-{attempt.pk}", body)
    assert json.loads(body)["type"] == "webhook.test"
    assert json.loads(body)["timestamp"] == "2026-11-22T12:00:00.000000Z"
    assert headers["webhook-id"] == message.id
    assert headers["webhook-signature"] == signature(
        message, SECRET, int(NOW.timestamp())
    )
    kept = Delivery.objects.get()
    assert (kept.sequence, kept.event, kept.status) == (None, "webhook.test", 204)
    assert kept.is_delivered
    assert (attempt.status, attempt.duration_ms) == (204, kept.duration_ms)
    assert noted(webhook.account_id) == ["webhook.tested"]


def test_a_test_message_neither_waits_for_entries_nor_delays_them(
    webhook, receiver, note, sam
):
    note(ENABLED)
    receiver.statuses = [500, 500]
    deliver_due(now=NOW)
    before = Webhook.objects.values("due_at", "attempts", "failing_since").get()

    attempt = send_test_message(sam, webhook=webhook, now=NOW)

    assert attempt.problem == "The server responded with 500."
    assert Webhook.objects.values("due_at", "attempts", "failing_since").get() == before
    assert reader.position_of(webhook.reader, webhook.account_id) == 0
    assert deliver_due(now=NOW + timedelta(seconds=6)) == 2  # the entry, and the test's


def test_a_paused_webhook_gets_a_test_message(webhook, receiver, sam):
    Webhook.objects.update(paused_at=NOW, events=["product.enabled"])

    assert send_test_message(sam, webhook=webhook, now=NOW).is_delivered


def test_an_interrupted_test_is_a_failure_and_is_not_sent_again(
    webhook, receiver, sam, monkeypatch
):
    monkeypatch.setattr(module, "send_all", killed)
    with pytest.raises(KeyboardInterrupt):
        send_test_message(sam, webhook=webhook, now=NOW)
    monkeypatch.undo()

    deliver_due(now=NOW)

    row = Delivery.objects.get(sequence=None)
    assert (row.problem, row.status) == ("The attempt was interrupted.", None)
    assert sequences(receiver) == [1]  # only the entry that says who tested


def test_test_messages_have_a_limit_per_hour(webhook, receiver, sam, monkeypatch):
    monkeypatch.setattr(module, "TESTS_PER_HOUR", 1)
    send_test_message(sam, webhook=webhook, now=NOW)

    with pytest.raises(LimitReached) as refused:
        send_test_message(sam, webhook=webhook, now=NOW)

    assert 0 < refused.value.retry_after_seconds <= 3600
    assert len(receiver.got) == 1


def test_one_test_message_is_sent_at_a_time(webhook, receiver, sam, monkeypatch):
    refused = []

    def send_another(requests):
        with pytest.raises(LimitReached) as error:
            send_test_message(sam, webhook=webhook, now=NOW)
        refused.append(error.value.retry_after_seconds)
        return [Result(204, "", 1)]

    monkeypatch.setattr(module, "send_all", send_another)

    assert send_test_message(sam, webhook=webhook, now=NOW).is_delivered
    assert refused == [10]
    assert noted(webhook.account_id) == ["webhook.tested"]
