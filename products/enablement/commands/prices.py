"""Publish a price: in the platform's audit trail, and in that of each account on the plan."""

from datetime import datetime

from accounts.actor import Actor
from accounts.change import recorded_change
from accounts.commands.proposals import require_approval
from accounts.policy import PLATFORM
from accounts.roles import Permission
from products.catalogue.commands import write_price
from products.catalogue.models import Plan, PriceVersion
from products.catalogue.prices import NewPrice
from products.enablement.queries import accounts_on, followed_price


def change_price(
    actor: Actor,
    *,
    plan: Plan,
    price: NewPrice,
    effective_from: datetime,
    now: datetime,
) -> PriceVersion:
    """Publish a plan's next price, effective from an instant on; the current one ends there.

    The first price of an account's own plan replaces what the account pays by the plan of everyone,
    also if it has the product already; bills follow it from that instant on.

    Raises Forbidden unless the actor is staff or the loader; ApprovalNeeded; Invalid for an
    impossible price, an impossible instant, a rise before the next month, or another currency
    within a month. Notes price.published for the platform and for every account on the plan.

    Every command that puts an account on the plan locks the plan first, as this one does. So an
    account is either on the plan already and gets the entry, or it reads the new price.
    """
    with recorded_change(
        actor,
        Permission.CATALOGUE_MANAGE,
        on=PLATFORM,
        now=now,
        also=accounts_on(plan, effective_from).values_list("pk", flat=True),
        lock=Plan.objects.filter(pk=plan.pk),
    ) as trail:
        require_approval(actor)
        return write_price(
            trail,
            plan=plan,
            price=price,
            effective_from=effective_from,
            now=trail.now,
            follows=followed_price(plan, effective_from),
        )
