"""Enables WebSockets for the only account of a database: `python -m bench.entitled`."""

import os

import django

os.environ["DJANGO_SETTINGS_MODULE"] = "portal.settings"
django.setup()

from django.utils import timezone  # noqa: E402 - Django must be set up before

from accounts.models import Account, Membership  # noqa: E402
from products.catalogue.models import Product  # noqa: E402
from products.catalogue.queries import direct_price, prices_beside  # noqa: E402
from products.enablement.agreements import direct_terms  # noqa: E402
from products.enablement.commands import Agreement, enable  # noqa: E402
from tests.factories.accounts import actor_for  # noqa: E402


def main() -> None:
    """Enable it as the superuser."""
    now = timezone.now()
    account = Account.objects.get()
    product = Product.objects.get(pk="websockets")
    price = direct_price(product.pk, now, account=account)
    assert price is not None
    terms = direct_terms(account, product, prices_beside(price, now, account), now=now)
    user = Membership.objects.get(account=account).user
    enable(
        actor_for(user, account),
        account=account,
        product=product,
        agreement=Agreement.to(terms.text),
        now=now,
    )


if __name__ == "__main__":
    main()
