"""Publish a price: in the platform's trail, and in that of each account under the plan."""

from datetime import datetime

from accounts.actor import Actor
from accounts.change import Unchanged, recorded_change
from accounts.policy import PLATFORM
from accounts.roles import Permission
from products.catalogue.commands import NewPrice, write_price
from products.catalogue.models import Plan, PriceVersion
from products.enablement.models import Enablement


def change_price(
    actor: Actor,
    *,
    plan: Plan,
    price: NewPrice,
    effective_from: datetime,
    now: datetime,
) -> PriceVersion:
    """Publish a plan's next price from an instant on; the one in force ends there.

    Raises Forbidden unless staff or the loader, Invalid for a ladder or an instant that cannot
    be. Notes price.published for the platform and for every account that has the plan.
    """
    while True:
        accounts = _accounts_on_plan(plan)
        with recorded_change(
            actor, Permission.CATALOGUE_MANAGE, on=PLATFORM, now=now, also=accounts
        ) as trail:
            Plan.objects.select_for_update().get(pk=plan.pk)
            if _accounts_on_plan(plan) != accounts:
                raise Unchanged  # one enabled it before the door opened: its chain is needed too
            return write_price(
                trail,
                plan=plan,
                price=price,
                effective_from=effective_from,
                accounts=accounts,
            )


def _accounts_on_plan(plan: Plan) -> list[str]:
    rows = Enablement.objects.filter(plan=plan, ends_at=None)
    return list(
        rows.order_by("account_id").values_list("account_id", flat=True).distinct()
    )
