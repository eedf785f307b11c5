"""Webhooks of accounts, and the log of their deliveries."""

from typing import ClassVar

from django.db import models

from accounts.actor import MAX_ACTOR_LENGTH
from accounts.ids import new_id
from accounts.models import Account

MAX_URL_LENGTH = 500
MAX_PROBLEM_LENGTH = 200
MAX_PAUSE_REASON_LENGTH = 300


class Webhook(models.Model):
    """A URL of an account that gets a message for each new entry of its audit trail.

    How far it has got is the cursor of the trail's reader `reader`. While an entry can't be
    delivered, the entries after it wait, so messages arrive in order.
    """

    id = models.CharField(
        "ID", primary_key=True, max_length=22, default=new_id, editable=False
    )
    account = models.ForeignKey(
        Account, on_delete=models.PROTECT, related_name="webhooks"
    )
    url = models.CharField("URL", max_length=MAX_URL_LENGTH)
    events = models.JSONField(default=list)  # names of events; empty for all
    # Encrypted: messages are signed with the secret itself, so a hash would not do.
    secret = models.TextField()
    # After a rotation messages are signed with the earlier secret too, until a time.
    earlier_secret = models.TextField(blank=True)
    earlier_secret_until = models.DateTimeField(
        "earlier secret valid until", null=True, blank=True
    )
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=MAX_ACTOR_LENGTH)
    # Moved into the future while a process delivers, and between attempts.
    due_at = models.DateTimeField(db_index=True)
    attempts = models.PositiveIntegerField(default=0)  # of the entry that is next
    failing_since = models.DateTimeField(null=True, blank=True)
    paused_at = models.DateTimeField(null=True, blank=True)
    pause_reason = models.CharField(max_length=MAX_PAUSE_REASON_LENGTH, blank=True)

    class Meta:
        default_permissions = ()
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["account", "url"],
                name="one_webhook_per_account_and_url",
                violation_error_message="The account already has a webhook with this URL.",
            )
        ]

    def __str__(self) -> str:
        return self.url

    @property
    def reader(self) -> str:
        """Return the name of its cursor in the trail."""
        return f"webhook:{self.pk}"

    @property
    def is_paused(self) -> bool:
        """Tell whether nothing is sent until a superuser resumes it."""
        return self.paused_at is not None


class Delivery(models.Model):
    """One attempt to deliver an entry or a test message, which has no `sequence`.

    An entry that is to be sent again has no `attempted_at` yet.
    """

    webhook = models.ForeignKey(
        Webhook, on_delete=models.CASCADE, related_name="deliveries"
    )
    sequence = models.BigIntegerField("entry", null=True, blank=True)
    event = models.CharField(max_length=64)
    attempt = models.PositiveIntegerField(default=1)
    is_resend = models.BooleanField("sent again", default=False)
    created_at = models.DateTimeField()
    attempted_at = models.DateTimeField(null=True, blank=True)
    duration_ms = models.PositiveIntegerField(
        "duration in milliseconds", null=True, blank=True
    )
    status = models.PositiveSmallIntegerField("HTTP status", null=True, blank=True)
    problem = models.CharField(max_length=MAX_PROBLEM_LENGTH, blank=True)

    class Meta:
        default_permissions = ()
        verbose_name = "webhook delivery"
        verbose_name_plural = "webhook deliveries"
        indexes: ClassVar = [
            models.Index(fields=["webhook", "-id"], name="delivery_webhook"),
            models.Index(fields=["event", "-id"], name="delivery_event"),
            models.Index(
                fields=["webhook"],
                condition=models.Q(attempted_at=None),
                name="delivery_queued",
            ),
            models.Index(
                fields=["webhook", "-id"],
                condition=~models.Q(problem=""),
                name="delivery_failed",
            ),
        ]

    def __str__(self) -> str:
        what = (
            self.event if self.sequence is None else f"{self.event} ({self.sequence:,})"
        )
        return f"{what} to {self.webhook}"

    @property
    def account_id(self) -> str:
        """Return the id of the webhook's account."""
        return self.webhook.account_id

    @property
    def is_test(self) -> bool:
        """Tell whether a test message was sent, not an entry of the trail."""
        return self.sequence is None

    @property
    def is_delivered(self) -> bool:
        """Tell whether the receiver accepted the message."""
        return self.attempted_at is not None and not self.problem
