"""Commands that manage webhooks, and the delivery of their messages."""

from products.webhooks.commands.deliveries import (
    deliver_due,
    remove_old_deliveries,
    send_test_message,
)
from products.webhooks.commands.webhooks import (
    NewWebhook,
    add_webhook,
    change_webhook,
    encrypt_secrets_again,
    pause_webhook,
    remove_webhook,
    replay_webhook,
    resend_message,
    rotate_secret,
)

__all__ = [
    "NewWebhook",
    "add_webhook",
    "change_webhook",
    "deliver_due",
    "encrypt_secrets_again",
    "pause_webhook",
    "remove_old_deliveries",
    "remove_webhook",
    "replay_webhook",
    "resend_message",
    "rotate_secret",
    "send_test_message",
]
