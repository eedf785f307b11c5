"""Contracts, invoices with their lines, credits, the credit ledger, credit notes, and budgets.

Amounts are whole micro-units of the currency. A final invoice and its lines, credits, credit notes
and the credit ledger are not changed any more; triggers refuse it.
"""

from typing import ClassVar

from django.db import models

from accounts.actor import MAX_ACTOR_LENGTH
from accounts.models import MAX_REASON_LENGTH, Account
from products.catalogue.models import PriceVersion, Product
from products.catalogue.money import Money
from products.metering.models import MONTH_LENGTH
from products.months import Month

DEFAULT_PAYMENT_TERMS_DAYS = 30


class Contract(models.Model):
    """What an account has agreed with sales, from a month on; a later row replaces it.

    Prices of its own are plans of the account, and its package is an enablement.
    """

    account = models.ForeignKey(
        Account, on_delete=models.PROTECT, related_name="contracts"
    )
    from_month = models.CharField(max_length=MONTH_LENGTH)
    currency = models.CharField(max_length=3, default="USD")
    # As agreed; that of a month is in the calendar of the account.
    billing_zone = models.CharField("billing time zone", max_length=64, default="UTC")
    payment_terms_days = models.PositiveSmallIntegerField(
        "days to pay", default=DEFAULT_PAYMENT_TERMS_DAYS
    )
    buyer = models.TextField(blank=True)  # name and address on the invoice
    tax_note = models.CharField(max_length=300, blank=True)
    reason = models.CharField(max_length=MAX_REASON_LENGTH)
    assigned_at = models.DateTimeField()
    assigned_by = models.CharField(max_length=MAX_ACTOR_LENGTH)

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["account", "from_month"], name="contract_account")
        ]

    def __str__(self) -> str:
        return f"{self.account} from {self.from_month}"


class NumberSeries(models.Model):
    """The last number of a gapless series; the row is locked when the next one is drawn."""

    name = models.CharField(primary_key=True, max_length=20)
    last = models.PositiveBigIntegerField("last number", default=0)

    class Meta:
        default_permissions = ()
        verbose_name_plural = "number series"

    def __str__(self) -> str:
        return f"{self.name} {self.last}"


class Invoice(models.Model):
    """The bill of an account for a month: computed again until it is final, then never changed.

    It is open while the month runs, and then a draft. A final invoice can be voided; then the
    month can be invoiced again. Late usage of months that were invoiced in another currency than
    that of the month has an invoice of its own, which is final from the start.
    """

    class Kind(models.TextChoices):
        """What is billed."""

        MONTH = "month", "Month"
        LATE_USAGE = "late_usage", "Late usage"

    class Status(models.TextChoices):
        """Whether the invoice can still change."""

        OPEN = "open"
        DRAFT = "draft"
        FINAL = "final"
        VOID = "void"

    account = models.ForeignKey(
        Account, on_delete=models.PROTECT, related_name="invoices"
    )
    month = models.CharField(max_length=MONTH_LENGTH)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    zone = models.CharField("time zone", max_length=64)
    currency = models.CharField(max_length=3)
    kind = models.CharField(max_length=10, choices=Kind.choices, default=Kind.MONTH)
    status = models.CharField(max_length=5, choices=Status.choices, default=Status.OPEN)
    number = models.CharField(max_length=20, null=True, blank=True)  # noqa: DJ001 - unique
    seller = models.TextField(blank=True)
    buyer = models.TextField(blank=True)
    tax_note = models.CharField(max_length=300, blank=True)
    payment_terms_days = models.PositiveSmallIntegerField(
        "days to pay", default=DEFAULT_PAYMENT_TERMS_DAYS
    )
    drafted_at = models.DateTimeField(null=True, blank=True)
    counted_at = models.DateTimeField("usage read at")
    complete_to = models.DateTimeField(null=True, blank=True)
    subtotal_micros = models.BigIntegerField(default=0)
    credits_micros = models.BigIntegerField(default=0)
    due_micros = models.BigIntegerField(default=0)
    finalized_at = models.DateTimeField("finalised at", null=True, blank=True)
    finalized_by = models.CharField(
        "finalised by", max_length=MAX_ACTOR_LENGTH, blank=True
    )
    due_on = models.DateField(null=True, blank=True)
    override_reason = models.CharField(
        "reason to make it final early", max_length=MAX_REASON_LENGTH, blank=True
    )
    content_hash = models.CharField(max_length=64, blank=True)
    voided_at = models.DateTimeField(null=True, blank=True)
    voided_by = models.CharField(max_length=MAX_ACTOR_LENGTH, blank=True)
    void_reason = models.CharField(max_length=MAX_REASON_LENGTH, blank=True)
    replaces = models.OneToOneField(  # a voided invoice
        "self", null=True, on_delete=models.PROTECT, related_name="replaced_by"
    )

    class Meta:
        default_permissions = ()
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["account", "month"],
                condition=models.Q(kind="month") & ~models.Q(status="void"),
                name="one_invoice_per_account_and_month",
                violation_error_message="The month already has an invoice.",
            ),
            models.UniqueConstraint(
                fields=["account", "month", "currency"],
                condition=models.Q(kind="late_usage") & ~models.Q(status="void"),
                name="one_late_usage_invoice_per_month_and_currency",
                violation_error_message="The month has an invoice of late usage.",
            ),
            models.CheckConstraint(
                condition=models.Q(kind__in=["month", "late_usage"]),
                name="invoice_kind_is_known",
            ),
            models.UniqueConstraint(
                fields=["number"],
                name="invoice_number_is_unique",
                violation_error_message="The number is in use.",
            ),
            models.CheckConstraint(
                condition=models.Q(
                    status__in=["open", "draft"], number=None, finalized_at=None
                )
                | models.Q(
                    status="final", number__isnull=False, finalized_at__isnull=False
                )
                | models.Q(
                    status="void", number__isnull=False, voided_at__isnull=False
                ),
                name="invoice_status_matches_its_number",
            ),
            models.CheckConstraint(
                condition=models.Q(
                    credits_micros__gte=0,
                    due_micros__gte=0,
                    subtotal_micros=models.F("due_micros") + models.F("credits_micros"),
                ),
                name="invoice_credits_never_exceed_the_subtotal",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["status", "month"], name="invoice_status_month")
        ]

    def __str__(self) -> str:
        if self.number:
            return self.number
        kind = "running bill" if self.status == self.Status.OPEN else "draft"
        return f"{kind} of {self.month}"

    @property
    def is_final(self) -> bool:
        """Tell whether the invoice can no longer change."""
        return self.status == self.Status.FINAL

    @classmethod
    def of_month(cls, account: Account, month: Month) -> "models.QuerySet[Invoice]":
        """Return the invoices of a month, void or not; those of late usage are not of a month."""
        return cls.objects.filter(
            account=account, month=str(month), kind=cls.Kind.MONTH
        )

    @property
    def is_late_usage(self) -> bool:
        """Tell whether it bills only late usage of months invoiced in another currency."""
        return self.kind == self.Kind.LATE_USAGE

    @property
    def replacement(self) -> "Invoice | None":
        """Return the invoice that replaces this voided one; None if there is none yet."""
        return getattr(self, "replaced_by", None)

    @property
    def subtotal(self) -> Money:
        """Return the sum of the lines."""
        return Money(self.subtotal_micros, self.currency)

    @property
    def credits(self) -> Money:
        """Return the credits used."""
        return Money(self.credits_micros, self.currency)

    @property
    def due(self) -> Money:
        """Return what is to be paid."""
        return Money(self.due_micros, self.currency)


class InvoiceLine(models.Model):
    """One line of an invoice, with everything that its amount follows from.

    `amount_exact` is a decimal as text; `amount_micros` is it rounded once. `tiers` lists the tiers
    that the quantity went through, `services` the share of each service. `usage_digest` covers the
    usage records that the quantity rests on.
    """

    class Kind(models.TextChoices):
        """What the line is for."""

        USAGE = "usage"
        FEE = "fee"
        ALLOWANCE = "allowance", "Included"
        TRIAL = "trial", "Trial"
        ADJUSTMENT = "adjustment"
        INFORMATIONAL = "informational", "Information"

    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="lines")
    position = models.PositiveIntegerField()
    kind = models.CharField(max_length=13, choices=Kind.choices)
    month = models.CharField(max_length=MONTH_LENGTH)  # an adjustment's own month
    product = models.ForeignKey(Product, on_delete=models.PROTECT, related_name="+")
    meter = models.CharField(max_length=20, blank=True)  # "" for a fee
    price_version = models.ForeignKey(
        PriceVersion, null=True, on_delete=models.PROTECT, related_name="+"
    )
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    quantity = models.BigIntegerField(
        default=0
    )  # whole minutes or bytes; days of a fee
    connections = models.BigIntegerField(default=0)
    tier_start = models.BigIntegerField(default=0)  # where within the tiers it starts
    tiers = models.JSONField(default=list)
    services = models.JSONField(default=list)
    amount_exact = models.CharField("exact amount", max_length=100)
    amount_micros = models.BigIntegerField()
    usage_digest = models.CharField(max_length=64, blank=True)

    class Meta:
        default_permissions = ()
        ordering: ClassVar = ["position"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["invoice", "position"],
                name="one_line_per_invoice_and_position",
            ),
            models.CheckConstraint(
                condition=models.Q(
                    kind__in=[
                        *("usage", "fee", "allowance", "trial"),
                        *("adjustment", "informational"),
                    ]
                ),
                name="line_kind_is_known",
            ),
            models.CheckConstraint(
                # An adjustment can be of fewer minutes that cost more: they moved to
                # another price of their month.
                condition=models.Q(amount_micros__gte=0)
                & (models.Q(quantity__gte=0) | models.Q(kind="adjustment")),
                name="line_is_not_negative",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.invoice_id}/{self.position}"


class Adjustment(models.Model):
    """Usage of a final month that arrived late: a line of the account's next draft.

    What was billed for a month in all is the sum of its lines and adjustments, less its credit
    notes.
    """

    corrects = models.ForeignKey(
        Invoice,
        on_delete=models.PROTECT,
        related_name="adjustments",
        verbose_name="corrected invoice",
    )
    product = models.ForeignKey(Product, on_delete=models.PROTECT, related_name="+")
    meter = models.CharField(max_length=20)
    # Minutes or bytes more than billed; can be negative, if the rest costs more.
    quantity = models.BigIntegerField()
    amount_micros = models.BigIntegerField()
    found_at = models.DateTimeField()
    billed_on = models.ForeignKey(
        Invoice, null=True, on_delete=models.PROTECT, related_name="+"
    )

    class Meta:
        default_permissions = ()
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(amount_micros__gt=0), name="adjustment_is_positive"
            )
        ]

    def __str__(self) -> str:
        amount = Money(self.amount_micros, self.corrects.currency)
        return f"{amount} of late usage for {self.corrects}"


class Credit(models.Model):
    """An amount in the account's favour: granted by staff, or from a credit note or a voided invoice.

    What is left of it is the sum of its entries. It can be used by the invoices of months whose
    last day is `expires_on` or earlier, also if they become final later.
    """

    class Source(models.TextChoices):
        """Where the credit comes from."""

        GRANT = "grant", "Granted"
        CREDIT_NOTE = "credit_note", "Credit note"

    account = models.ForeignKey(
        Account, on_delete=models.PROTECT, related_name="credits"
    )
    source = models.CharField(max_length=11, choices=Source.choices)
    currency = models.CharField(max_length=3)
    amount_micros = models.BigIntegerField()
    reason = models.CharField(max_length=MAX_REASON_LENGTH)
    expires_on = models.DateField(null=True, blank=True)
    granted_at = models.DateTimeField()
    granted_by = models.CharField(max_length=MAX_ACTOR_LENGTH)

    class Meta:
        default_permissions = ()
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(amount_micros__gt=0), name="credit_is_positive"
            ),
            models.CheckConstraint(
                condition=models.Q(source__in=["grant", "credit_note"]),
                name="credit_source_is_known",
            ),
        ]

    def __str__(self) -> str:
        return str(self.amount)

    @property
    def amount(self) -> Money:
        """Return the amount that was granted."""
        return Money(self.amount_micros, self.currency)


class CreditEntry(models.Model):
    """One movement of a credit; its rows are only added. The balance is their sum."""

    class Kind(models.TextChoices):
        """What moved: the first two and `returned` as they are named, `expired` unused."""

        GRANTED = "granted"
        USED = "used"
        RETURNED = "returned"
        EXPIRED = "expired"

    credit = models.ForeignKey(Credit, on_delete=models.PROTECT, related_name="entries")
    account = models.ForeignKey(
        Account, on_delete=models.PROTECT, related_name="credit_entries"
    )
    invoice = models.ForeignKey(
        Invoice, null=True, on_delete=models.PROTECT, related_name="credit_entries"
    )
    kind = models.CharField(max_length=8, choices=Kind.choices)
    amount_micros = models.BigIntegerField()  # negative if used or expired
    at = models.DateTimeField("booked at")

    class Meta:
        default_permissions = ()
        verbose_name = "credit ledger entry"
        verbose_name_plural = "credit ledger entries"
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(
                    kind__in=["granted", "returned"], amount_micros__gt=0
                )
                | models.Q(kind__in=["used", "expired"], amount_micros__lt=0),
                name="credit_entry_has_the_sign_of_its_kind",
            )
        ]
        indexes: ClassVar = [
            models.Index(fields=["account", "at"], name="credit_entry_account")
        ]

    def __str__(self) -> str:
        return f"{Money(self.amount_micros, self.credit.currency)} {self.kind}"


class CreditNote(models.Model):
    """A correction downwards of a final invoice; its credit carries the amount."""

    number = models.CharField(max_length=20, unique=True)
    invoice = models.ForeignKey(
        Invoice, on_delete=models.PROTECT, related_name="credit_notes"
    )
    credit = models.OneToOneField(
        Credit, on_delete=models.PROTECT, related_name="credit_note"
    )
    product = models.ForeignKey(Product, on_delete=models.PROTECT, related_name="+")
    meter = models.CharField(max_length=20)
    quantity = models.BigIntegerField()  # minutes or bytes fewer than billed
    amount_micros = models.BigIntegerField()
    reason = models.CharField(max_length=MAX_REASON_LENGTH)
    issued_at = models.DateTimeField()
    issued_by = models.CharField(max_length=MAX_ACTOR_LENGTH)

    class Meta:
        default_permissions = ()
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(amount_micros__gt=0), name="credit_note_is_positive"
            )
        ]

    def __str__(self) -> str:
        return self.number


class Budget(models.Model):
    """How much an account wants to spend in a month, and what happens at its thresholds."""

    class Action(models.TextChoices):
        """What happens at 100 %."""

        NOTIFY = "notify", "Only notify"
        BLOCK_NEW = "block_new", "Refuse new connections"

    account = models.OneToOneField(
        Account, on_delete=models.PROTECT, related_name="budget"
    )
    currency = models.CharField(max_length=3)
    amount_micros = models.BigIntegerField()
    thresholds = models.JSONField()  # percentages in rising order
    action = models.CharField(
        max_length=9, choices=Action.choices, default=Action.NOTIFY
    )
    changed_at = models.DateTimeField()
    changed_by = models.CharField(max_length=MAX_ACTOR_LENGTH)

    class Meta:
        default_permissions = ()
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(amount_micros__gt=0), name="budget_is_positive"
            ),
            models.CheckConstraint(
                condition=models.Q(action__in=["notify", "block_new"]),
                name="budget_action_is_known",
            ),
        ]

    def __str__(self) -> str:
        return str(self.amount)

    @property
    def amount(self) -> Money:
        """Return the amount of a month."""
        return Money(self.amount_micros, self.currency)


class BudgetAlert(models.Model):
    """A threshold of a budget that was reached in a month: each at most once."""

    account = models.ForeignKey(
        Account, on_delete=models.PROTECT, related_name="budget_alerts"
    )
    month = models.CharField(max_length=MONTH_LENGTH)
    percent = models.PositiveSmallIntegerField()
    currency = models.CharField(max_length=3)
    budget_micros = models.BigIntegerField()
    spent_micros = models.BigIntegerField()
    reached_at = models.DateTimeField()

    class Meta:
        default_permissions = ()
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["account", "month", "percent"],
                name="one_alert_per_account_month_and_threshold",
                violation_error_message="The threshold was already reached this month.",
            )
        ]

    def __str__(self) -> str:
        return f"{self.percent} % in {self.month}"


class UninvoicedMonth(models.Model):
    """A month that is over and has something to bill, but that no sweep can invoice."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="+")
    month = models.CharField(max_length=MONTH_LENGTH)
    since = models.DateTimeField("known since")

    class Meta:
        default_permissions = ()
        verbose_name = "month without an invoice"
        verbose_name_plural = "months without an invoice"
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["account", "month"],
                name="one_mark_per_account_and_uninvoiced_month",
                violation_error_message="The month is already marked.",
            )
        ]

    def __str__(self) -> str:
        return self.month
