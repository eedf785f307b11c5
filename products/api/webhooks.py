"""`/api/v1/webhooks`: manage webhooks, read their log, and send messages again."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from django.utils import timezone
from rest_framework import serializers
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.audit.reader import MAX_SEQUENCE, end_of, position_of
from accounts.authentication import TokenRequest
from accounts.body_text import OwnBodyReader, TextField
from accounts.policy import require
from accounts.queries import account_of
from accounts.roles import Permission
from accounts.sudo import reauthenticated
from products.api.services import valid
from products.webhooks.commands import (
    add_webhook,
    change_webhook,
    remove_webhook,
    replay_webhook,
    resend_message,
    rotate_secret,
    send_test_message,
)
from products.webhooks.commands.webhooks import MAX_OVERLAP_HOURS
from products.webhooks.models import Delivery, Webhook
from products.webhooks.queries import deliveries_of, webhook_of, webhooks_of

Json = dict[str, Any]
MAX_EVENTS = 200
DEFAULT_OVERLAP_HOURS = 24


class WebhookReader(OwnBodyReader):
    """A webhook in a request body; without events, it gets all."""

    url = TextField()
    events = serializers.ListField(
        child=TextField(), default=list, max_length=MAX_EVENTS
    )
    paused = serializers.BooleanField(default=False)


class ReplayReader(OwnBodyReader):
    """The sequence after which to send again."""

    after = serializers.IntegerField(min_value=0, max_value=MAX_SEQUENCE)


class RotateReader(OwnBodyReader):
    """For how many hours messages are signed with the earlier secret too."""

    overlap_hours = serializers.IntegerField(
        min_value=0, max_value=MAX_OVERLAP_HOURS, default=DEFAULT_OVERLAP_HOURS
    )


class LogReader(serializers.Serializer[Any]):
    """A page of the log."""

    before = serializers.IntegerField(min_value=0, max_value=MAX_SEQUENCE, default=0)
    limit = serializers.IntegerField(min_value=1, max_value=1000, default=100)


class Webhooks(APIView):
    """`/api/v1/webhooks`."""

    def get(self, request: TokenRequest) -> Response:
        """Return the account's webhooks."""
        rows = [webhook_to_json(each) for each in webhooks_of(request.auth)]
        return Response({"data": rows, "meta": {"next": ""}})

    def post(self, request: TokenRequest) -> Response:
        """Add a webhook; the response has its signing secret, this once."""
        account = account_of(request.auth)
        require(request.auth, Permission.WEBHOOK_MANAGE, account)
        actor = reauthenticated(request.auth)
        sent = valid(WebhookReader(data=request.data))
        added = add_webhook(
            actor,
            account=account,
            url=sent["url"],
            events=sent["events"],
            now=timezone.now(),
        )
        return Response(webhook_to_json(added.webhook) | {"secret": added.secret})


class OneWebhook(APIView):
    """`/api/v1/webhooks/{id}`."""

    def get(self, request: TokenRequest, webhook_id: str) -> Response:
        """Return one webhook."""
        return Response(webhook_to_json(webhook_of(request.auth, webhook_id)))

    def patch(self, request: TokenRequest, webhook_id: str) -> Response:
        """Change the fields that are sent; `paused` pauses or resumes it."""
        webhook = webhook_of(request.auth, webhook_id)
        actor = reauthenticated(request.auth)
        kept: Mapping[str, Any] = {
            "url": webhook.url,
            "events": webhook.events,
            "paused": webhook.is_paused,
        }
        sent = valid(WebhookReader(data={**kept, **request.data}))
        change_webhook(
            actor,
            webhook=webhook,
            url=sent["url"],
            events=sent["events"],
            is_paused=sent["paused"],
            now=timezone.now(),
        )
        return Response(webhook_to_json(webhook_of(actor, webhook_id)))

    def delete(self, request: TokenRequest, webhook_id: str) -> Response:
        """Remove it."""
        webhook = webhook_of(request.auth, webhook_id)
        actor = reauthenticated(request.auth)
        remove_webhook(actor, webhook=webhook, now=timezone.now())
        return Response(status=HTTPStatus.NO_CONTENT)


class RotateSecret(APIView):
    """`POST /api/v1/webhooks/{id}/rotate`."""

    answers_with_secret = True

    def post(self, request: TokenRequest, webhook_id: str) -> Response:
        """Replace the signing secret; the response has the new one, this once."""
        webhook = webhook_of(request.auth, webhook_id)
        actor = reauthenticated(request.auth)
        sent = valid(RotateReader(data=request.data))
        secret = rotate_secret(
            actor,
            webhook=webhook,
            overlap_hours=sent["overlap_hours"],
            now=timezone.now(),
        )
        row = webhook_of(actor, webhook_id)
        return Response(webhook_to_json(row) | {"secret": secret})


class WebhookDeliveries(APIView):
    """`GET /api/v1/webhooks/{id}/deliveries?before=ID&limit=N`."""

    def get(self, request: TokenRequest, webhook_id: str) -> Response:
        """Return the newest attempts of the last 30 days."""
        webhook = webhook_of(request.auth, webhook_id)
        sent = valid(LogReader(data=request.query_params.dict()))
        limit = sent["limit"]
        log = deliveries_of(webhook)
        if sent["before"]:
            log = log.filter(pk__lt=sent["before"])
        rows = log[: limit + 1]
        following = ""
        if len(rows) > limit:
            query = urlencode({"before": rows[limit - 1].pk, "limit": limit})
            following = request.build_absolute_uri(f"{request.path}?{query}")
        return Response(
            {
                "data": [delivery_to_json(each) for each in rows[:limit]],
                "meta": {"next": following},
            }
        )


class ReplayWebhook(APIView):
    """`POST /api/v1/webhooks/{id}/replay`."""

    def post(self, request: TokenRequest, webhook_id: str) -> Response:
        """Send all entries after a sequence again, in order."""
        webhook = webhook_of(request.auth, webhook_id)
        sent = valid(ReplayReader(data=request.data))
        replay_webhook(
            request.auth, webhook=webhook, after=sent["after"], now=timezone.now()
        )
        return Response(webhook_to_json(webhook_of(request.auth, webhook_id)))


class ResendMessage(APIView):
    """`POST /api/v1/webhooks/{id}/messages/{sequence}/resend`."""

    def post(self, request: TokenRequest, webhook_id: str, sequence: int) -> Response:
        """Send one entry again, once."""
        webhook = webhook_of(request.auth, webhook_id)
        resend_message(
            request.auth,
            webhook=webhook,
            sequence=min(sequence, MAX_SEQUENCE),
            now=timezone.now(),
        )
        return Response({"status": "ok"})


class SendTest(APIView):
    """`POST /api/v1/webhooks/{id}/test`."""

    def post(self, request: TokenRequest, webhook_id: str) -> Response:
        """Send a test message now and return the attempt with its result."""
        webhook = webhook_of(request.auth, webhook_id)
        attempt = send_test_message(request.auth, webhook=webhook, now=timezone.now())
        return Response(delivery_to_json(attempt))


def webhook_to_json(row: Webhook) -> Json:
    """Return a webhook, without its secret; `sequence` is the last entry that it got."""
    return {
        "id": row.pk,
        "url": row.url,
        "events": row.events,
        "paused": row.is_paused,
        "pause_reason": row.pause_reason,
        "failing_since": row.failing_since,
        "earlier_secret_until": row.earlier_secret_until,
        "created_at": row.created_at,
        "created_by": row.created_by,
        "sequence": position_of(row.reader, row.account_id),
        "end": end_of(row.account_id),
    }


def delivery_to_json(row: Delivery) -> Json:
    """Return one attempt; a test has no sequence, a message that waits no `attempted_at`."""
    return {
        "id": row.pk,
        "sequence": row.sequence,
        "event": row.event,
        "attempt": row.attempt,
        "resend": row.is_resend,
        "test": row.is_test,
        "attempted_at": row.attempted_at,
        "duration_ms": row.duration_ms,
        "status": row.status,
        "problem": row.problem,
    }
