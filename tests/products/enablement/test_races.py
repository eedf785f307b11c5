"""A price published while accounts get the product: no audit trail lacks what changes the bill."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial

import pytest

from accounts.actor import Actor
from accounts.audit.models import AuditEvent
from accounts.models import Account
from accounts.roles import Role
from products.catalogue.models import Plan, Product
from products.catalogue.prices import NewPrice
from products.catalogue.tiers import PriceTier
from products.enablement.commands import assign_package, change_price
from products.enablement.models import Enablement
from tests.concurrency import together
from tests.factories import NOW
from tests.factories.accounts import (
    AccountFactory,
    UserFactory,
    actor_for,
    member,
    staff_actor,
)
from tests.factories.enablement import entitle
from tests.factories.world import CATALOGUE, load_catalogue

DEARER = NewPrice("USD", "connection_time", (PriceTier(None, 10**9),))


def superuser_of(account: Account) -> Actor:
    return actor_for(member(account, f"Sam of {account.name}", Role.SUPERUSER), account)


def publish_among(changes: Sequence[Callable[[], object]], plan: Plan) -> None:
    """Publish a price of a plan while accounts get its product, all at the same time."""
    publishing = partial(
        change_price,
        CATALOGUE,
        plan=plan,
        price=DEARER,
        effective_from=NOW + timedelta(days=9),
        now=NOW,
    )
    middle = len(changes) // 2

    outcomes = together(*changes[:middle], publishing, *changes[middle:])

    assert [each for each in outcomes if isinstance(each, Exception)] == []


def accounts_without_notice() -> set[str]:
    """Return the accounts that had the product before the price, and no entry about the price."""
    published = AuditEvent.objects.filter(
        account_id="platform", action="price.published"
    ).latest("id")
    before = AuditEvent.objects.filter(action="product.enabled", id__lt=published.pk)
    notified = AuditEvent.objects.filter(action="price.published").exclude(
        account_id="platform"
    )
    return set(before.values_list("account_id", flat=True)) - set(
        notified.values_list("account_id", flat=True)
    )


@pytest.mark.django_db(transaction=True)
def test_each_account_enabled_before_a_price_was_published_has_it_in_its_trail():
    load_catalogue()
    websockets = Product.objects.get(pk="websockets")
    accounts = [AccountFactory.create() for _ in range(8)]
    enabling = [
        partial(entitle, superuser_of(account), account, websockets)
        for account in accounts
    ]

    publish_among(enabling, Plan.objects.get(product=websockets, kind="direct"))

    assert Enablement.objects.filter(ends_at=None).count() == 8
    assert accounts_without_notice() == set()


@pytest.mark.django_db(transaction=True)
def test_each_package_assigned_before_its_price_was_published_has_it_in_its_trail():
    load_catalogue()
    plan = Plan.objects.get(product_id="ngwaf", kind="package")
    staff = staff_actor(UserFactory.create(name="Ada", is_staff=True))
    assigning = [
        partial(
            assign_package, staff, account=AccountFactory.create(), plan=plan, now=NOW
        )
        for _ in range(8)
    ]

    publish_among(assigning, plan)

    assert Enablement.objects.filter(ends_at=None).count() == 8
    assert accounts_without_notice() == set()
