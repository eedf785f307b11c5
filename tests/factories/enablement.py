"""Enables products through the command."""

from datetime import datetime

from accounts.actor import Actor
from accounts.models import Account
from products.catalogue.models import Product
from products.compatibility.version_config import WEBSOCKETS
from products.enablement.commands import enable
from products.enablement.models import BudgetBlock, Enablement
from tests.factories import NOW
from tests.factories.world import agreed


def entitle(
    superuser: Actor, account: Account, product: Product, *, now: datetime = NOW
) -> Enablement:
    """Enable a product for an account, with the agreement that it asks for."""
    return enable(
        superuser,
        account=account,
        product=product,
        agreement=agreed(account, product),
        now=now,
    )


def block_by_budget(account: Account) -> None:
    """Let the budget of an account refuse new WebSocket connections."""
    BudgetBlock.objects.create(account=account, product_id=WEBSOCKETS, blocked_at=NOW)
