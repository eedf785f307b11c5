"""Messages and their signatures, as Standard Webhooks specifies them.

Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Sequence
from dataclasses import dataclass

from accounts.audit.models import AuditEvent
from accounts.audit.names import names_in
from accounts.audit.sentences import entry_for_programs
from products.webhooks.secrets import PREFIX


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent about one entry. Its id is the same each time it is sent."""

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
    body = {"type": entry.action, "timestamp": entry.body.get("at"), "data": data}
    return Message(
        f"{entry.account_id}-{entry.sequence}",
        json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode(),
    )


def signature(message: Message, secret: str, timestamp: int) -> str:
    """Return the signature of a message: `v1,` and an HMAC-SHA256 in Base64."""
    key = base64.b64decode(secret.removeprefix(PREFIX))
    signed = f"{message.id}.{timestamp}.".encode() + message.body
    return (
        "v1,"
        + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    )
