"""Products, plans, and price versions with their tiers: the data of the catalogue."""

from typing import ClassVar

from django.db import models

from accounts.ids import new_id
from accounts.models import Account
from products.catalogue.money import amount_in_words, unit_price

MAX_PLAN_NAME_LENGTH = 80


class Product(models.Model):
    """A product of the catalogue."""

    class State(models.TextChoices):
        """Whether customers see the product: only an active one."""

        DRAFT = "draft"
        ACTIVE = "active"
        RETIRED = "retired"

    class PurchaseMode(models.TextChoices):
        """How an account gets a product (R17)."""

        DIRECT = "direct", "Directly, on the Products page"
        SALES = "sales", "On request, from sales"
        ALWAYS = "always", "Part of every account"

    class ServiceType(models.TextChoices):
        """The types of service that it can be switched on for."""

        ALL = "", "All types"
        VCL = "vcl", "VCL services"
        WASM = "wasm", "Compute services"

    slug = models.SlugField(primary_key=True, max_length=40)
    name = models.CharField(max_length=60)
    purpose = models.CharField(max_length=200)
    limitations = models.TextField(blank=True)
    documentation_url = models.URLField("documentation", blank=True)
    purchase_mode = models.CharField(max_length=8, choices=PurchaseMode.choices)
    per_service = models.BooleanField("switched on per service", default=True)  # R4
    service_type = models.CharField(
        max_length=4, choices=ServiceType.choices, blank=True, default=ServiceType.ALL
    )
    state = models.CharField(max_length=8, choices=State.choices, default=State.ACTIVE)
    position = models.PositiveSmallIntegerField(default=100)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(purchase_mode__in=["direct", "sales", "always"]),
                name="product_purchase_mode_is_known",
            ),
            models.CheckConstraint(
                condition=models.Q(state__in=["draft", "active", "retired"]),
                name="product_state_is_known",
            ),
            models.CheckConstraint(
                condition=models.Q(service_type__in=["", "vcl", "wasm"]),
                name="product_service_type_is_known",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_sold_directly(self) -> bool:
        """Tell whether superusers can enable the product on the Products page (R17)."""
        return self.purchase_mode == self.PurchaseMode.DIRECT

    @property
    def is_always_included(self) -> bool:
        """Tell whether every account has the product, without enabling it."""
        return self.purchase_mode == self.PurchaseMode.ALWAYS

    def supports(self, service_type: str) -> bool:
        """Tell whether the product can be switched on for services of a type."""
        return self.per_service and self.service_type in {"", service_type}


class Plan(models.Model):
    """A way to get a product, with prices of its own.

    A plan of an account has the prices of its contract; no other account can use it. A trial ends
    after its days, or once its minutes are used.
    """

    class Kind(models.TextChoices):
        """Bought directly, part of a package, or on trial."""

        DIRECT = "direct"
        PACKAGE = "package"
        TRIAL = "trial"

    id = models.CharField(
        "ID", primary_key=True, max_length=22, default=new_id, editable=False
    )
    product = models.ForeignKey(Product, on_delete=models.PROTECT, related_name="plans")
    account = models.ForeignKey(
        Account,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="own_plans",
    )
    kind = models.CharField(max_length=8, choices=Kind.choices)
    name = models.CharField(max_length=MAX_PLAN_NAME_LENGTH)
    trial_days = models.PositiveSmallIntegerField(null=True, blank=True)
    trial_minutes = models.PositiveBigIntegerField(
        null=True, blank=True
    )  # null: no cap
    retired_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["product", "kind", "name"],
                name="one_plan_per_product_kind_and_name",
                violation_error_message="The product has a plan of this name.",
            ),
            models.UniqueConstraint(
                fields=["product"],
                condition=models.Q(kind="direct", retired_at=None, account=None),
                name="one_direct_plan_per_product",
                violation_error_message="The product already has a direct plan.",
            ),
            models.UniqueConstraint(
                fields=["product", "account"],
                condition=models.Q(kind="direct", retired_at=None),
                name="one_direct_plan_per_product_and_account",
                violation_error_message="The account already has a plan of its own.",
            ),
            models.UniqueConstraint(
                fields=["product"],
                condition=models.Q(kind="trial", retired_at=None),
                name="one_trial_plan_per_product",
                violation_error_message="The product already has a trial.",
            ),
            models.CheckConstraint(
                condition=models.Q(kind="trial", trial_days__gte=1)
                | models.Q(trial_days=None, trial_minutes=None)
                & ~models.Q(kind="trial"),
                name="trials_alone_have_days",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class PriceVersion(models.Model):
    """What a plan costs on one meter from an instant on.

    Triggers keep the row: only its end can be set, once, and a version that is not in force yet
    can be withdrawn. The versions of a plan and meter never overlap. A priced unit is `unit_size`
    minutes or bytes.

    A price that follows another one and starts with a month starts with that month of each account,
    in its billing zone; then `from_month` is set, and `to_month` of the one before it. Queries
    with an account return its instants.
    """

    class UnitMode(models.TextChoices):
        """Whether a part of a unit is billed as a fraction or as a whole unit."""

        FRACTION = "fraction"
        BLOCK = "block"

    class Proration(models.TextChoices):
        """What is charged of the fee, and included, in a month that the plan covers in part."""

        NONE = "none", "The whole fee"
        DAILY = "daily", "The fee by days"

    class State(models.TextChoices):
        """What a version is at an instant, see `queries.price_state`."""

        IN_FORCE = "in_force", "In force"
        ANNOUNCED = "announced", "Announced"
        PAST = "past", "Past"
        WITHDRAWN = "withdrawn", "Withdrawn"

    id = models.CharField(
        "ID", primary_key=True, max_length=22, default=new_id, editable=False
    )
    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, related_name="prices")
    number = models.PositiveIntegerField()
    currency = models.CharField(max_length=3, default="USD")
    meter = models.CharField(max_length=20)  # a key of tiers.METERS
    unit_size = models.BigIntegerField()
    unit_name = models.CharField(max_length=40)
    unit_mode = models.CharField(
        max_length=8, choices=UnitMode.choices, default=UnitMode.FRACTION
    )
    fee_micros = models.BigIntegerField(default=0)
    included_units = models.BigIntegerField(default=0)
    proration = models.CharField(
        max_length=8, choices=Proration.choices, default=Proration.NONE
    )
    effective_from = models.DateTimeField()
    effective_to = models.DateTimeField(null=True, blank=True)
    from_month = models.CharField(max_length=7, blank=True)
    to_month = models.CharField(max_length=7, blank=True)
    withdrawn_at = models.DateTimeField(null=True, blank=True)
    is_example = models.BooleanField("example price", default=False)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["plan", "meter", "number"],
                name="one_price_per_plan_meter_and_number",
            ),
            models.UniqueConstraint(
                fields=["plan", "meter"],
                condition=models.Q(effective_to=None, withdrawn_at=None),
                name="one_open_price_per_plan_and_meter",
                violation_error_message="The plan has a price without an end already.",
            ),
            models.CheckConstraint(
                condition=models.Q(
                    fee_micros__gte=0, included_units__gte=0, unit_size__gt=0
                ),
                name="price_is_not_negative",
            ),
            models.CheckConstraint(
                condition=models.Q(
                    unit_mode__in=["fraction", "block"], proration__in=["none", "daily"]
                ),
                name="price_modes_are_known",
            ),
            models.CheckConstraint(
                condition=models.Q(effective_to=None)
                | models.Q(effective_to__gt=models.F("effective_from")),
                name="price_ends_after_it_starts",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.plan} version {self.number}"


class Tier(models.Model):
    """A price tier as a row; see `tiers.PriceTier` for its meaning."""

    price_version = models.ForeignKey(
        PriceVersion, on_delete=models.PROTECT, related_name="tiers"
    )
    position = models.PositiveSmallIntegerField()
    up_to = models.BigIntegerField(null=True, blank=True)  # whole units; null: no limit
    unit_price_nanos = models.BigIntegerField()  # 10⁻⁹ of the currency

    class Meta:
        ordering: ClassVar = ["position"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["price_version", "position"],
                name="one_tier_per_price_and_position",
            ),
            models.CheckConstraint(
                condition=models.Q(unit_price_nanos__gte=0),
                name="tier_price_is_not_negative",
            ),
        ]

    def __str__(self) -> str:
        reach = "any number of" if self.up_to is None else f"up to {self.up_to:,}"
        amount = amount_in_words(unit_price(self.unit_price_nanos))
        return f"{reach} units at {amount} {self.price_version.currency} each"
