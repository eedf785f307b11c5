"""What staff give an account: products that come with a package or a contract (R16)."""

from datetime import datetime

from accounts.actor import Actor
from accounts.audit.vocabulary import Event
from accounts.change import recorded_change
from accounts.errors import Conflict, Invalid
from accounts.models import Account
from accounts.roles import Permission
from products.catalogue.models import Plan, Product
from products.enablement.commands.account import DRAIN, AlreadyDisabled, AlreadyEnabled
from products.enablement.models import Enablement
from products.enablement.queries import current


def assign_package(
    actor: Actor, *, account: Account, plan: Plan, now: datetime, reason: str = ""
) -> Enablement:
    """Switch a product on for an account under a package's plan.

    Raises Forbidden unless staff, AlreadyEnabled, Invalid for a plan that is no package.
    Notes package.assigned, product.enabled and bill.changed.
    """
    if plan.kind != Plan.Kind.PACKAGE:
        raise Invalid("Only a package's plan can be assigned.", field="plan")
    product = plan.product
    with recorded_change(
        actor, Permission.PACKAGE_ASSIGN, on=account, now=now
    ) as trail:
        if current(account.pk, product.pk) is not None:
            raise AlreadyEnabled(f"{product.name} is on for {account.name} already.")
        price = plan.prices.filter(effective_from__lte=now, effective_to=None).first()
        enablement = Enablement.objects.create(
            account=account,
            product=product,
            plan=plan,
            price_version=price,
            source=Enablement.Source.PACKAGE,
            starts_at=now,
            started_by=actor.label,
            reason=reason,
        )
        target = ("product", product.pk, product.name)
        facts = {"plan": plan.name, "enablement": enablement.pk}
        trail.note(
            Event.PACKAGE_ASSIGNED,
            target=target,
            product=product.pk,
            after=facts,
            reason=reason,
        )
        trail.note(
            Event.PRODUCT_ENABLED,
            target=target,
            product=product.pk,
            before={"state": "disabled"},
            after={"state": "enabled", "source": "package"},
        )
        trail.note(
            Event.BILL_CHANGED,
            target=target,
            product=product.pk,
            before={"billed": False},
            after={"billed": True, "plan": plan.name},
        )
    return enablement


def remove_package(
    actor: Actor, *, account: Account, product: Product, now: datetime, reason: str
) -> None:
    """Take a product of a package from an account; open connections drain.

    Raises Forbidden unless staff, AlreadyDisabled, Conflict for a product that was bought, and
    Invalid without a reason. Notes package.removed, product.disabled and bill.changed.
    """
    if not reason:
        raise Invalid("Say why.", field="reason")
    with recorded_change(
        actor, Permission.PACKAGE_ASSIGN, on=account, now=now
    ) as trail:
        held = current(account.pk, product.pk)
        if held is None:
            raise AlreadyDisabled(f"{product.name} is off for {account.name}.")
        if held.source != Enablement.Source.PACKAGE:
            raise Conflict(
                f"{account.name} bought {product.name}; its superusers can disable it."
            )
        held.ends_at, held.ended_by = now, actor.label
        held.drain_mode, held.drain_until = Enablement.DrainMode.DRAIN, now + DRAIN
        held.save(update_fields=["ends_at", "ended_by", "drain_mode", "drain_until"])
        target = ("product", product.pk, product.name)
        trail.note(
            Event.PACKAGE_REMOVED,
            target=target,
            product=product.pk,
            before={"plan": held.plan.name, "enablement": held.pk},
            reason=reason,
        )
        trail.note(
            Event.PRODUCT_DISABLED,
            target=target,
            product=product.pk,
            before={"state": "enabled"},
            after={"state": "disabled", "source": "package"},
        )
        trail.note(
            Event.BILL_CHANGED,
            target=target,
            product=product.pk,
            before={"billed": True, "plan": held.plan.name},
            after={"billed": False},
        )
