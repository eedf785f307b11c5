"""Assign and remove packages: products that staff give an account under its contract (R16)."""

from datetime import datetime

from accounts.actor import Actor
from accounts.audit.vocabulary import Event
from accounts.change import recorded_change
from accounts.commands.proposals import require_approval
from accounts.commands.reasons import clean_reason
from accounts.errors import Conflict, Invalid
from accounts.models import Account
from accounts.roles import Permission
from products.catalogue.models import Plan, Product
from products.catalogue.queries import prices_on
from products.enablement.agreements import package_terms
from products.enablement.commands.enablements import (
    close_enablement,
    open_enablement,
    require_disabled,
    require_enabled,
)
from products.enablement.models import Enablement


def assign_package(
    actor: Actor, *, account: Account, plan: Plan, now: datetime, reason: str = ""
) -> Enablement:
    """Enable a product for an account under a package's plan; it replaces a trial of the product.

    Raises Forbidden unless the actor is staff; ApprovalNeeded; AlreadyEnabled; Invalid for another
    kind of plan, a package of another account, and too long a reason. Notes package.assigned,
    trial.converted for a trial, product.enabled and bill.changed.
    """
    reason = clean_reason(reason, required=False)
    if plan.kind != Plan.Kind.PACKAGE:
        raise Invalid("Only package plans can be assigned.", field="plan")
    if plan.account_id not in {None, account.pk}:
        raise Invalid("This package is of another account.", field="plan")
    product = plan.product
    with recorded_change(
        actor,
        Permission.PACKAGE_ASSIGN,
        on=account,
        now=now,
        lock=Plan.objects.filter(pk=plan.pk),  # see change_price
    ) as trail:
        require_approval(actor)
        trial = require_disabled(account, product)
        prices = prices_on(plan, trail.now, account)
        enablement = Enablement(
            account=account,
            product=product,
            plan=plan,
            price_version=prices[0] if prices else None,
            source=Enablement.Source.PACKAGE,
            starts_at=trail.now,
            started_by=actor.words,
            reason=reason,
        )
        trail.note(
            Event.PACKAGE_ASSIGNED,
            target=("product", product.pk, product.name),
            product=product.pk,
            after={"plan": plan.name, "enablement": enablement.pk},
            reason=reason,
        )
        terms = package_terms(account, plan, prices, now=trail.now)
        open_enablement(trail, terms.keep(enablement), trial=trial)
    return enablement


def remove_package(
    actor: Actor, *, account: Account, product: Product, now: datetime, reason: str
) -> None:
    """Disable a product of a package for an account; open connections drain.

    Raises Forbidden unless the actor is staff; AlreadyDisabled; Conflict for a product that the
    account bought; Invalid without a reason. Notes package.removed, product.disabled and
    bill.changed.
    """
    reason = clean_reason(reason)
    with recorded_change(
        actor, Permission.PACKAGE_ASSIGN, on=account, now=now
    ) as trail:
        enablement = require_enabled(account, product)
        if enablement.source != Enablement.Source.PACKAGE:
            raise Conflict(
                f"{account.name} bought {product.name}. Its superusers can disable it."
            )
        trail.note(
            Event.PACKAGE_REMOVED,
            target=("product", product.pk, product.name),
            product=product.pk,
            before={"plan": enablement.plan.name, "enablement": enablement.pk},
            reason=reason,
        )
        close_enablement(
            trail,
            enablement,
            ended_by=actor.words,
            drain_mode=Enablement.DrainMode.DRAIN,
            now=trail.now,
            reason=reason,
        )
