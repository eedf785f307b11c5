"""Enable and disable a product for an account (R3, R5, R19)."""

from dataclasses import dataclass
from datetime import datetime
from typing import Self

from accounts.actor import Actor
from accounts.change import recorded_change
from accounts.commands.reasons import clean_reason
from accounts.errors import Conflict, Invalid
from accounts.models import Account
from accounts.roles import Permission
from products.catalogue.models import Plan, Product
from products.catalogue.queries import direct_price, prices_beside
from products.enablement.agreements import DEFAULT_LOCALE, direct_terms, text_hash
from products.enablement.commands.enablements import (
    close_enablement,
    open_enablement,
    require_disabled,
    require_enabled,
)
from products.enablement.models import Enablement
from products.enablement.queries import services_hash
from products.enablement.refusals import disable_refusal, enable_refusal


@dataclass(frozen=True, slots=True)
class Agreement:
    """What a superuser has agreed to: the hash of the text that was shown, and its language."""

    text_hash: str  # of `text_hash`; empty if there is no agreement
    locale: str = DEFAULT_LOCALE

    @classmethod
    def to(cls, text: str, locale: str = DEFAULT_LOCALE) -> Self:
        """Return the agreement to a text; an empty text is not agreed to."""
        return cls(text_hash(text) if text else "", locale)


class PriceChanged(Conflict):
    """The text agreed to names another price than that of now; the page shows the new one."""

    code = "price_changed"
    field = "agree"

    def __init__(self) -> None:
        super().__init__(
            "The price changed after you reviewed it. Review the new price and confirm again."
        )


class ServicesChanged(Conflict):
    """Other services use the product now than those that were shown."""

    code = "seen_has_changed"


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

    It replaces the account's trial of the product, running or ended (R18).
    Raises Forbidden unless the actor is a superuser of the account; AlreadyEnabled,
    NotSoldDirectly, NotAgreed, PriceChanged; Invalid for too long a reason. Notes
    product.enabled, bill.changed with the price, and trial.converted.
    """
    reason = clean_reason(reason, required=False)
    with recorded_change(
        actor,
        Permission.PRODUCT_ENABLE,
        on=account,
        now=now,
        lock=Plan.objects.filter(product=product),  # see change_price
    ) as trail:
        trial = require_disabled(account, product)
        price = direct_price(product.pk, trail.now, account=account)
        if refusal := enable_refusal(product, None, price):
            raise refusal
        assert price is not None  # noqa: S101 - else it is refused
        terms = direct_terms(
            account,
            product,
            prices_beside(price, trail.now, account),
            now=trail.now,
            locale=agreement.locale,
        )
        _check_agreement(agreement, terms.text_hash)
        enablement = Enablement(
            account=account,
            product=product,
            plan=price.plan,
            price_version=price,
            source=Enablement.Source.DIRECT,
            starts_at=trail.now,
            started_by=actor.words,
            reason=reason,
        )
        open_enablement(trail, terms.keep(enablement), trial=trial)
    return enablement


def disable(
    actor: Actor,
    *,
    account: Account,
    product: Product,
    drain_mode: str,
    now: datetime,
    reason: str = "",
    seen: str = "",
) -> Enablement:
    """Disable a product for an account; usage until now is billed (R19).

    `drain_mode` says what happens to open connections: `cut` now, `drain` for DRAIN_TIME, or
    `keep`. `seen` is the `services_hash` that was shown before; with "", nothing is compared.
    A trial's connections can't be kept. Raises Forbidden, AlreadyDisabled, NotSoldDirectly for a
    product that came with a package, ServicesChanged, Invalid. Notes product.disabled, and
    bill.changed except for a trial.
    """
    reason = clean_reason(reason, required=False)
    if drain_mode not in Enablement.DrainMode.values:
        raise Invalid("Choose what happens to open connections.", field="drain_mode")
    with recorded_change(
        actor, Permission.PRODUCT_ENABLE, on=account, now=now
    ) as trail:
        enablement = require_enabled(account, product)
        if refusal := disable_refusal(product, enablement):
            raise refusal
        if enablement.is_trial and drain_mode == Enablement.DrainMode.KEEP:
            raise Invalid(
                "Connections of a trial can't continue after it.", field="drain_mode"
            )
        if seen and seen != services_hash(enablement):
            raise ServicesChanged(
                f"The services that use {product.name} changed after you looked. Nothing was "
                "changed. Look again."
            )
        close_enablement(
            trail,
            enablement,
            ended_by=actor.words,
            drain_mode=drain_mode,
            now=trail.now,
            reason=reason,
        )
    return enablement


def _check_agreement(agreement: Agreement, due: str) -> None:
    if not agreement.text_hash:
        raise NotAgreed(
            "Confirm that you agree to the change of the monthly bill.", field="agree"
        )
    if agreement.text_hash != due:
        raise PriceChanged
