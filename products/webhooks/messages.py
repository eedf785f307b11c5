"""Messages and their signatures, as Standard Webhooks specifies them.

Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from accounts.audit.entry_body import timestamp
from accounts.audit.models import AuditEvent
from accounts.audit.names import names_in
from accounts.audit.sentences import entry_for_programs
from products.webhooks.models import Delivery
from products.webhooks.secrets import PREFIX


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent about one entry, or as a test. Its id is the same each time it is sent."""

    id: str
    body: bytes

    def headers(self, secrets: Sequence[str], timestamp: int) -> dict[str, str]:
        """Return the headers for a send at a time in seconds since 1970.

        There is a signature for each secret; a receiver accepts a message if one of them is valid.
        """
        return {
            "webhook-id": self.id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": " ".join(
                signature(self, secret, timestamp) for secret in secrets
            ),
        }


def message_of(entry: AuditEvent) -> Message:
    """Return the message about an entry of the trail, as `/api/v1/trail` has it."""
    data = entry_for_programs(entry, names_in([entry]))
    return Message(
        f"{entry.account_id}-{entry.sequence}",
        _body(entry.action, entry.body.get("at"), data),
    )


def message_of_test(delivery: Delivery) -> Message:
    """Return the message of a test. It is about no entry, so it has no sequence."""
    data = {
        "webhook": delivery.webhook_id,
        "sentence": "This is a test message. Nothing was changed.",
    }
    at = timestamp(delivery.created_at)
    return Message(
        f"{delivery.webhook_id}-test-{delivery.pk}", _body(delivery.event, at, data)
    )


def _body(kind: str, at: object, data: Mapping[str, object]) -> bytes:
    body = {"type": kind, "timestamp": at, "data": data}
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def signature(message: Message, secret: str, timestamp: int) -> str:
    """Return the signature of a message: `v1,` and an HMAC-SHA256 in Base64."""
    key = base64.b64decode(secret.removeprefix(PREFIX))
    signed = f"{message.id}.{timestamp}.".encode() + message.body
    return (
        "v1,"
        + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    )
