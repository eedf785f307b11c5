"""What proposals of staff about packages and prices contain, and how they are carried out."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from accounts.actor import Actor
from accounts.commands.proposals import ProposalKind, ProposedChange, propose, register
from accounts.models import Account, Proposal
from products.catalogue.models import Plan
from products.catalogue.prices import NewPrice
from products.catalogue.tiers import PriceTier
from products.enablement.commands.packages import assign_package
from products.enablement.commands.prices import change_price


def propose_package(
    actor: Actor, *, account: Account, plan: Plan, now: datetime, reason: str = ""
) -> Proposal:
    """Propose to assign a package to an account. Raises Forbidden, Invalid for too long a reason."""
    change = ProposedChange(
        ProposalKind.ASSIGN_PACKAGE,
        f"Assign the package {plan} of {plan.product} to {account}",
        {"account": account.pk, "plan": plan.pk, "reason": reason},
        account=account,
    )
    return propose(actor, change=change, reason=reason, now=now)


def propose_price(
    actor: Actor,
    *,
    plan: Plan,
    price: NewPrice,
    effective_from: datetime,
    lines: Sequence[str],
    now: datetime,
) -> Proposal:
    """Propose to publish a price; `lines` are the price in words. Raises Forbidden."""
    title = f"Publish a price of {plan} from {effective_from:%Y-%m-%d %H:%M} UTC on"
    change = ProposedChange(
        ProposalKind.PUBLISH_PRICE,
        "\n".join([title, *lines]),
        {
            "plan": plan.pk,
            "price": asdict(price),
            "effective_from": effective_from.isoformat(),
        },
        account=plan.account,
    )
    return propose(actor, change=change, now=now)


def _assign(actor: Actor, arguments: Mapping[str, Any], now: datetime) -> None:
    assign_package(
        actor,
        account=Account.objects.get(pk=arguments["account"]),
        plan=Plan.objects.select_related("product").get(pk=arguments["plan"]),
        reason=arguments["reason"],
        now=now,
    )


def _publish(actor: Actor, arguments: Mapping[str, Any], now: datetime) -> None:
    values = dict(arguments["price"])
    tiers = tuple(PriceTier(**tier) for tier in values.pop("tiers"))
    change_price(
        actor,
        plan=Plan.objects.select_related("product").get(pk=arguments["plan"]),
        price=NewPrice(tiers=tiers, **values),
        effective_from=datetime.fromisoformat(arguments["effective_from"]),
        now=now,
    )


def connect() -> None:
    """Register what carries out these proposals."""
    register(ProposalKind.ASSIGN_PACKAGE, _assign)
    register(ProposalKind.PUBLISH_PRICE, _publish)
