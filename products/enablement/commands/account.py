"""Enable and disable a product for an account (R3, R5, R19)."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from accounts.actor import Actor
from accounts.audit.vocabulary import Event
from accounts.change import recorded_change
from accounts.errors import Conflict, Invalid
from accounts.models import Account
from accounts.roles import Permission
from products.catalogue.models import Plan, PriceVersion, Product
from products.catalogue.queries import direct_price
from products.enablement.models import Enablement
from products.enablement.queries import agreement_text, current, last_closed, text_hash

MAX_REASON_LENGTH = 500
# pages.md: open connections are closed after a minute unless the superuser chooses otherwise.
DRAIN = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Agreement:
    """What a person has agreed to: the exact text that was shown, and in which language."""

    text: str
    locale: str = "en"


class NotSoldDirectly(Conflict):
    """The product is not bought on the Products page (R17)."""

    code = "not_sold_directly"


class AlreadyEnabled(Conflict):
    """Somebody enabled it meanwhile; the message says who and when."""

    code = "already_enabled"


class AlreadyDisabled(Conflict):
    """Somebody disabled it meanwhile; the message says who and when."""

    code = "already_disabled"


class PriceChanged(Conflict):
    """What was agreed to is not what it costs now; the page shows the new price and asks again."""

    code = "price_changed"


class NotAgreed(Invalid):
    """Nothing was agreed to."""

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
    """Switch a product on for an account, under its direct plan (R3), and keep the agreement (R5).

    Raises Forbidden unless the actor is a superuser of the account; AlreadyEnabled,
    NotSoldDirectly, NotAgreed, PriceChanged; Invalid for too long a reason. Notes
    product.enabled, and bill.changed with the price. The edge learns of it after commit.
    """
    _check_reason(reason)
    with recorded_change(
        actor, Permission.PRODUCT_ENABLE, on=account, now=now
    ) as trail:
        if (held := current(account.pk, product.pk)) is not None:
            raise AlreadyEnabled(
                f"{product.name} is on already: enabled by {held.started_by} at "
                f"{held.starts_at:%Y-%m-%d %H:%M:%S} UTC."
            )
        # A price that is being published meanwhile waits for us, or we for it: whoever is second
        # sees the other, so that no account has a price that was not noted in its trail.
        list(Plan.objects.select_for_update().filter(product=product))
        price = direct_price(product.pk, now)
        if product.purchase_mode != Product.PurchaseMode.DIRECT or price is None:
            raise NotSoldDirectly(
                f"{product.name} is not sold on this page. Ask your account manager for it."
            )
        _check_agreement(agreement, agreement_text(account, product, price))
        enablement = Enablement.objects.create(
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
        trail.note(
            Event.PRODUCT_ENABLED,
            target=("product", product.pk, product.name),
            product=product.pk,
            before={"state": "disabled"},
            after={
                "state": "enabled",
                "enablement": enablement.pk,
                "agreed_text": agreement.text,
                "agreed_locale": agreement.locale,
            },
            reason=reason,
            agreed_text_hash=enablement.agreed_text_hash,
        )
        trail.note(
            Event.BILL_CHANGED,
            target=("product", product.pk, product.name),
            product=product.pk,
            before={"billed": False},
            after={"billed": True} | price_facts(price.plan, price),
            agreed_text_hash=enablement.agreed_text_hash,
        )
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
    """Switch a product off for an account; what was used up to now stays billed (R19).

    New connections are refused from now on. `drain_mode` says what becomes of open ones: cut now,
    drain (cut after a minute) or keep. The services keep their switch: they work again when the
    product is enabled again. Raises Forbidden, AlreadyDisabled, NotSoldDirectly for a product
    that came with a package, Invalid. Notes product.disabled and bill.changed.
    """
    _check_reason(reason)
    if drain_mode not in Enablement.DrainMode.values:
        raise Invalid("Choose what becomes of open connections.", field="drain_mode")
    with recorded_change(
        actor, Permission.PRODUCT_ENABLE, on=account, now=now
    ) as trail:
        held = current(account.pk, product.pk)
        if held is None:
            raise AlreadyDisabled(_who_disabled(account, product))
        if held.source != Enablement.Source.DIRECT:
            raise NotSoldDirectly(
                f"{product.name} is part of your {held.source}; ask your account manager."
            )
        held.ends_at = now
        held.ended_by = actor.label
        held.drain_mode = drain_mode
        held.drain_until = (
            now + DRAIN if drain_mode == Enablement.DrainMode.DRAIN else None
        )
        held.save(update_fields=["ends_at", "ended_by", "drain_mode", "drain_until"])
        target = ("product", product.pk, product.name)
        trail.note(
            Event.PRODUCT_DISABLED,
            target=target,
            product=product.pk,
            before={"state": "enabled", "enablement": held.pk},
            after={"state": "disabled", "open_connections": drain_mode},
            reason=reason,
        )
        trail.note(
            Event.BILL_CHANGED,
            target=target,
            product=product.pk,
            before={"billed": True} | price_facts(held.plan, held.price_version),
            after={"billed": False, "billed_until": now.isoformat()},
        )
    return held


def price_facts(plan: Plan, price: PriceVersion | None) -> dict[str, object]:
    """Return which plan and price the bill follows, as the trail keeps it."""
    return {
        "plan": plan.name,
        "price_version": price.pk if price else "",
        "price_number": price.number if price else 0,
        "currency": price.currency if price else "",
    }


def _check_agreement(agreement: Agreement, due: str) -> None:
    if not agreement.text:
        raise NotAgreed("Agree to the change of the monthly bill first.", field="agree")
    if agreement.text != due:
        raise PriceChanged(
            "The price has changed since you opened this page. Read it again."
        )


def _check_reason(reason: str) -> None:
    if len(reason) > MAX_REASON_LENGTH:
        raise Invalid(
            f"A reason has at most {MAX_REASON_LENGTH} characters.", field="reason"
        )


def _who_disabled(account: Account, product: Product) -> str:
    last = last_closed(account.pk, product.pk)
    if last is None or last.ends_at is None:
        return f"{product.name} is off for this account."
    return (
        f"{product.name} is off already: disabled by {last.ended_by} at "
        f"{last.ends_at:%Y-%m-%d %H:%M:%S} UTC."
    )
