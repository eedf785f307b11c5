"""Enables products through the command."""

from accounts.actor import Actor
from accounts.models import Account
from products.catalogue.models import Product
from products.enablement.commands import enable
from products.enablement.models import Enablement
from tests.factories import NOW
from tests.factories.world import agreed


def entitle(superuser: Actor, account: Account, product: Product) -> Enablement:
    """Enable a product for an account, with the agreement that it asks for."""
    return enable(
        superuser,
        account=account,
        product=product,
        agreement=agreed(account, product),
        now=NOW,
    )
