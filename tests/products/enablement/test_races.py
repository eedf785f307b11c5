"""A price published while accounts enable: no audit trail lacks what changes the bill."""

from datetime import timedelta
from functools import partial

import pytest

from accounts.actor import Actor
from accounts.audit.models import AuditEvent
from accounts.models import Account
from accounts.roles import Role
from products.catalogue.commands import NewPrice
from products.catalogue.models import Plan, Product
from products.catalogue.tiers import PriceTier
from products.enablement.commands import change_price
from products.enablement.models import Enablement
from tests.concurrency import together
from tests.factories import NOW
from tests.factories.accounts import AccountFactory, actor_for, member
from tests.factories.enablement import entitle
from tests.factories.world import CATALOGUE, load_catalogue

DEARER = NewPrice("USD", "connection_time", (PriceTier(None, 10**9),))


def superuser_of(account: Account) -> Actor:
    return actor_for(member(account, f"Sam of {account.name}", Role.SUPERUSER), account)


@pytest.mark.django_db(transaction=True)
def test_each_account_enabled_before_a_price_was_published_has_it_in_its_trail():
    load_catalogue()
    websockets = Product.objects.get(pk="websockets")
    plan = Plan.objects.get(product=websockets, kind="direct")
    accounts = [AccountFactory.create() for _ in range(8)]
    people = [superuser_of(account) for account in accounts]
    enabling = [
        partial(entitle, person, account, websockets)
        for person, account in zip(people, accounts, strict=True)
    ]
    publishing = partial(
        change_price,
        CATALOGUE,
        plan=plan,
        price=DEARER,
        effective_from=NOW + timedelta(days=9),
        now=NOW,
    )

    outcomes = together(*enabling[:4], publishing, *enabling[4:])

    assert [each for each in outcomes if isinstance(each, Exception)] == []
    assert Enablement.objects.filter(ends_at=None).count() == 8
    published = AuditEvent.objects.filter(
        account_id="platform", action="price.published"
    ).latest("id")
    before = AuditEvent.objects.filter(action="product.enabled", id__lt=published.pk)
    notified = AuditEvent.objects.filter(action="price.published").exclude(
        account_id="platform"
    )
    assert set(notified.values_list("account_id", flat=True)) >= set(
        before.values_list("account_id", flat=True)
    )
