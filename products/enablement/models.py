"""Products enabled for accounts and switched on for services, and requests for products.

A change closes one row and opens the next; rows are never reused.
"""

from datetime import datetime, timedelta
from typing import ClassVar

from django.db import models

from accounts.actor import MAX_ACTOR_LENGTH
from accounts.ids import new_id
from accounts.models import MAX_REASON_LENGTH, Account
from products.catalogue.models import Plan, PriceVersion, Product
from products.services.models import Service

# How long open connections may continue after a product was disabled with the mode `drain`, and
# after it was switched off for a service.
DRAIN_TIME = timedelta(seconds=60)
# How long before the end of a trial those who see costs get a notice.
TRIAL_NOTICE = timedelta(days=3)
MAX_NOTE_LENGTH = 500


class Enablement(models.Model):
    """A product enabled for an account under a plan, for a period of time (R2, R3)."""

    class Source(models.TextChoices):
        """How the account got the product."""

        DIRECT = "direct"
        PACKAGE = "package"
        TRIAL = "trial"
        CONTRACT = "contract"

    class DrainMode(models.TextChoices):
        """What happens to open connections when the enablement ends."""

        CUT = "cut", "Close open connections immediately"
        DRAIN = "drain", "Close open connections at the deadline"
        KEEP = "keep", "Let open connections end"

    id = models.CharField(
        "ID", primary_key=True, max_length=22, default=new_id, editable=False
    )
    account = models.ForeignKey(
        Account, on_delete=models.PROTECT, related_name="enablements"
    )
    product = models.ForeignKey(
        Product, on_delete=models.PROTECT, related_name="enablements"
    )
    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, related_name="+")
    price_version = models.ForeignKey(
        PriceVersion, null=True, on_delete=models.PROTECT, related_name="+"
    )
    source = models.CharField(max_length=8, choices=Source.choices)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField(null=True, blank=True)
    started_by = models.CharField(max_length=MAX_ACTOR_LENGTH)
    ended_by = models.CharField(max_length=MAX_ACTOR_LENGTH, blank=True)
    reason = models.CharField(max_length=MAX_REASON_LENGTH, blank=True)
    # R5: exactly what was agreed to, as a record and as a sentence (`agreements.AgreedTerms`).
    agreed_record = models.TextField(blank=True)
    agreed_record_hash = models.CharField(max_length=64, blank=True)
    agreed_text = models.TextField(blank=True)
    agreed_text_hash = models.CharField(max_length=64, blank=True)
    agreed_locale = models.CharField(max_length=16, blank=True)
    drain_mode = models.CharField(max_length=8, choices=DrainMode.choices, blank=True)
    drain_until = models.DateTimeField(null=True, blank=True)
    # Set when a trial ended: it stays open, and new connections are refused (R16).
    blocked_at = models.DateTimeField(null=True, blank=True)
    blocked_reason = models.CharField(max_length=200, blank=True)
    # Of a trial (R18): when it ends, its cap (null: none), and what had been used when it ended.
    trial_ends_at = models.DateTimeField(null=True, blank=True)
    trial_minutes = models.PositiveBigIntegerField(null=True, blank=True)
    trial_used_minutes = models.PositiveBigIntegerField(
        "trial minutes used", null=True, blank=True
    )
    trial_warned_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["account", "product"],
                condition=models.Q(source="trial"),
                name="one_trial_per_account_and_product",
                violation_error_message="The account has already tried the product.",
            ),
            models.CheckConstraint(
                condition=~models.Q(source="trial")
                | models.Q(trial_ends_at__isnull=False),
                name="trial_has_an_end",
            ),
            models.UniqueConstraint(
                fields=["account", "product"],
                condition=models.Q(ends_at=None),
                name="one_open_enablement_per_account_and_product",
                violation_error_message="The product is already enabled for this account.",
            ),
            models.CheckConstraint(
                condition=models.Q(ends_at=None)
                | models.Q(ends_at__gte=models.F("starts_at")),
                name="enablement_ends_after_it_starts",
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["account", "product", "starts_at"])]

    def __str__(self) -> str:
        return f"{self.product} for {self.account}"

    @property
    def is_trial(self) -> bool:
        """Tell whether this is a trial, running or ended."""
        return self.source == self.Source.TRIAL

    @property
    def trial_ended_at(self) -> datetime | None:
        """Return when a trial ended: at its end or cap, by a purchase, or when it was disabled."""
        if not self.is_trial:
            return None
        return self.blocked_at or self.ends_at


class BudgetBlock(models.Model):
    """New connections of a product that are refused because the budget of the account is used up.

    It is of the account, so that disabling the product and enabling it again does not end it.
    """

    account = models.ForeignKey(
        Account, on_delete=models.PROTECT, related_name="budget_blocks"
    )
    product = models.ForeignKey(Product, on_delete=models.PROTECT, related_name="+")
    blocked_at = models.DateTimeField()

    class Meta:
        default_permissions = ()
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["account", "product"],
                name="one_budget_block_per_account_and_product",
                violation_error_message="The budget already blocks this product.",
            )
        ]

    def __str__(self) -> str:
        return f"{self.product} for {self.account}"


class ServiceProduct(models.Model):
    """A product switched on for one service (R4), for every version of it."""

    service = models.ForeignKey(
        Service, on_delete=models.PROTECT, related_name="products"
    )
    product = models.ForeignKey(Product, on_delete=models.PROTECT, related_name="+")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField(null=True, blank=True)
    started_by = models.CharField(max_length=MAX_ACTOR_LENGTH)
    ended_by = models.CharField(max_length=MAX_ACTOR_LENGTH, blank=True)
    configuration = models.JSONField(default=dict)  # ngwaf: workspace_id, traffic_ramp

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["service", "product"],
                condition=models.Q(ends_at=None),
                name="one_open_switch_per_service_and_product",
                violation_error_message="The product is already switched on for this service.",
            )
        ]

    def __str__(self) -> str:
        return f"{self.product} on {self.service}"


class ProductRequest(models.Model):
    """A member's request for a product (R17): at most one per user, product and day."""

    class State(models.TextChoices):
        """Whether it was answered; enabling the product grants it."""

        OPEN = "open"
        GRANTED = "granted"
        ANSWERED = "answered"
        DECLINED = "declined"
        WITHDRAWN = "withdrawn"

    account = models.ForeignKey(
        Account, on_delete=models.PROTECT, related_name="requests"
    )
    product = models.ForeignKey(Product, on_delete=models.PROTECT, related_name="+")
    user_id = models.CharField("user ID", max_length=22)
    requested_by = models.CharField(max_length=MAX_ACTOR_LENGTH)
    requested_on = models.DateField()
    requested_at = models.DateTimeField()
    note = models.CharField(max_length=MAX_NOTE_LENGTH, blank=True)
    state = models.CharField(max_length=9, choices=State.choices, default=State.OPEN)
    answered_at = models.DateTimeField(null=True, blank=True)
    answered_by = models.CharField(max_length=MAX_ACTOR_LENGTH, blank=True)
    answer = models.CharField(max_length=MAX_NOTE_LENGTH, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(
                    state__in=["open", "granted", "answered", "declined", "withdrawn"]
                ),
                name="product_request_state_is_known",
            ),
            models.UniqueConstraint(
                fields=["account", "product", "user_id", "requested_on"],
                name="one_request_per_user_product_and_day",
                violation_error_message="You already requested this product today.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.requested_by} requested {self.product}"
