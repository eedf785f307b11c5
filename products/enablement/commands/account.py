"""Enable and disable a product for an account (R3, R5, R19)."""

from dataclasses import dataclass
from datetime import datetime

from accounts.actor import Actor
from accounts.change import recorded_change
from accounts.commands.reasons import clean_reason
from accounts.errors import Conflict, Invalid
from accounts.models import Account
from accounts.roles import Permission
from products.catalogue.models import Plan, PriceVersion, Product
from products.catalogue.queries import direct_price
from products.enablement.commands.enablements import (
    close_enablement,
    open_enablement,
    require_disabled,
    require_enabled,
)
from products.enablement.models import Enablement
from products.enablement.queries import agreement_text, text_hash


@dataclass(frozen=True, slots=True)
class Agreement:
    """What a superuser has agreed to: the exact text that was shown, and its language."""

    text: str
    locale: str = "en"


class NotSoldDirectly(Conflict):
    """The product is not sold on the Products page (R17)."""

    code = "not_sold_directly"


class PriceChanged(Conflict):
    """The text agreed to names another price than that of now; the page shows the new one."""

    code = "price_changed"
    field = "agree"


class NotAgreed(Invalid):
    """No agreement was given."""

    code = "not_agreed"


def enable(
    actor: Actor,
    *,
    account: Account,
    product: Product,
    agreement: Agreement,
    now: datetime,
    reason: str = "",
) -> Enablement:
    """Enable a product for an account, under its direct plan (R3), and keep the agreement (R5).

    Raises Forbidden unless the actor is a superuser of the account; AlreadyEnabled,
    NotSoldDirectly, NotAgreed, PriceChanged; Invalid for too long a reason. Notes
    product.enabled, and bill.changed with the price.
    """
    reason = clean_reason(reason, required=False)
    with recorded_change(
        actor,
        Permission.PRODUCT_ENABLE,
        on=account,
        now=now,
        lock=Plan.objects.filter(product=product),  # see change_price
    ) as trail:
        require_disabled(account, product)
        price = _price_to_agree_to(account, product, now)
        _check_agreement(agreement, agreement_text(account, product, price))
        enablement = Enablement(
            account=account,
            product=product,
            plan=price.plan,
            price_version=price,
            source=Enablement.Source.DIRECT,
            starts_at=now,
            started_by=actor.label,
            reason=reason,
            agreed_text=agreement.text,
            agreed_text_hash=text_hash(agreement.text),
            agreed_locale=agreement.locale,
        )
        open_enablement(trail, enablement)
    return enablement


def disable(
    actor: Actor,
    *,
    account: Account,
    product: Product,
    drain_mode: str,
    now: datetime,
    reason: str = "",
) -> Enablement:
    """Disable a product for an account; usage until now is billed (R19).

    `drain_mode` says what happens to open connections: `cut` now, `drain` for DRAIN_TIME, or
    `keep`. Raises Forbidden, AlreadyDisabled, NotSoldDirectly for a product that came with a
    package, Invalid. Notes product.disabled and bill.changed.
    """
    reason = clean_reason(reason, required=False)
    if drain_mode not in Enablement.DrainMode.values:
        raise Invalid("Choose what happens to open connections.", field="drain_mode")
    with recorded_change(
        actor, Permission.PRODUCT_ENABLE, on=account, now=now
    ) as trail:
        enablement = require_enabled(account, product)
        if enablement.source != Enablement.Source.DIRECT:
            raise NotSoldDirectly(
                f"{product.name} is part of your {enablement.source}. Contact your account "
                "manager to remove it."
            )
        close_enablement(
            trail,
            enablement,
            ended_by=actor.label,
            drain_mode=drain_mode,
            now=now,
            reason=reason,
        )
    return enablement


def _price_to_agree_to(
    account: Account, product: Product, now: datetime
) -> PriceVersion:
    price = direct_price(product.pk, now, account_id=account.pk)
    if price is None or not product.is_sold_directly:
        raise NotSoldDirectly(
            f"{product.name} can't be enabled here. Contact your account manager."
        )
    return price


def _check_agreement(agreement: Agreement, due: str) -> None:
    if not agreement.text:
        raise NotAgreed(
            "Confirm that you agree to the change of the monthly bill.", field="agree"
        )
    if agreement.text != due:
        raise PriceChanged(
            "The price changed after you opened this page. Review the new price and confirm "
            "again."
        )
