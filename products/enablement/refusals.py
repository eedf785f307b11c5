"""Why a product cannot be enabled or disabled for an account, as commands and the API say it."""

from accounts.date_formats import minute_text
from accounts.errors import Conflict
from accounts.models import Account
from products.catalogue.models import Plan, PriceVersion, Product
from products.enablement.models import Enablement
from products.services.models import Service

CONTACT = "Contact your account manager."


class AlreadyEnabled(Conflict):
    """The account has the product; the message says who enabled it and when."""

    code = "already_enabled"


class AlreadyDisabled(Conflict):
    """The account does not have the product; the message says who disabled it and when."""

    code = "already_disabled"


class NotSoldDirectly(Conflict):
    """The product is not sold on the Products page (R17)."""

    code = "not_sold_directly"


class TrialUsed(Conflict):
    """The account has tried the product before (R18); the message says who started it and when."""

    code = "trial_used"


class NoTrial(Conflict):
    """The product has no trial."""

    code = "no_trial"


class NotOnService(Conflict):
    """The product is not switched on for the service."""

    code = "not_on_service"

    def __init__(self, product: Product, service: Service) -> None:
        super().__init__(f"{product.name} is not switched on for {service.name}.")


def remedy_for_disabled(product: Product) -> str:
    """Return how an account gets a product that it does not have."""
    if product.is_sold_directly:
        return "A superuser can enable it on the Products page."
    return CONTACT


def already_enabled(enablement: Enablement, product: Product) -> AlreadyEnabled:
    """Return the refusal to enable a product that the account has."""
    return AlreadyEnabled(
        f"{product.name} is already enabled: {enablement.started_by} enabled it on "
        f"{minute_text(enablement.starts_at)}."
    )


def already_disabled(
    account: Account, product: Product, last: Enablement | None
) -> AlreadyDisabled:
    """Return the refusal to disable a product that the account does not have."""
    if last is None or last.ends_at is None:
        return AlreadyDisabled(f"{product.name} is not enabled for {account.name}.")
    return AlreadyDisabled(
        f"{product.name} is already disabled: {last.ended_by} disabled it on "
        f"{minute_text(last.ends_at)}."
    )


def enable_refusal(
    product: Product, enablement: Enablement | None, price: PriceVersion | None
) -> Conflict | None:
    """Return why a product cannot be bought directly; None if it can."""
    if enablement is not None and not enablement.is_trial:
        return already_enabled(enablement, product)
    if price is None or not product.is_sold_directly:
        return NotSoldDirectly(f"{product.name} can't be enabled here. {CONTACT}")
    return None


def request_refusal(
    product: Product, enablement: Enablement | None
) -> AlreadyEnabled | None:
    """Return why a product cannot be requested (R17); None if it can, also during its trial."""
    if product.is_always_included:
        return AlreadyEnabled(f"{product.name} is included in every account.")
    if enablement is not None and not enablement.is_trial:
        return already_enabled(enablement, product)
    return None


def trial_refusal(
    product: Product,
    *,
    enablement: Enablement | None,
    trial: Enablement | None,
    plan: Plan | None,
) -> Conflict | None:
    """Return why a trial of a product cannot be started; None if it can.

    `trial` is the account's trial of it, running or ended, and `plan` that of the product's trial.
    """
    if trial is not None:
        return TrialUsed(
            f"{trial.started_by} started the trial of {product.name} on "
            f"{minute_text(trial.starts_at)}. An account can try a product once."
        )
    if enablement is not None:
        return already_enabled(enablement, product)
    if plan is None or not product.is_sold_directly:
        return NoTrial(f"There is no trial of {product.name}.")
    return None


def disable_refusal(product: Product, enablement: Enablement) -> Conflict | None:
    """Return why a product that the account has cannot be disabled; None if it can."""
    if enablement.source in {Enablement.Source.DIRECT, Enablement.Source.TRIAL}:
        return None
    return NotSoldDirectly(
        f"{product.name} is part of your {enablement.source}. Contact your account "
        "manager to remove it."
    )


def type_refusal(product: Product) -> str:
    """Return why a product cannot be switched on for a service of another type."""
    if not product.per_service:
        return f"{product.name} isn't switched on for single services."
    only = Product.ServiceType(product.service_type).label
    return f"{product.name} can be switched on for {only} only."
