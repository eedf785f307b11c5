"""Terraform's provider: each block is created, changed and destroyed, and no plan differs."""

import pytest
from django.test import Client

from products.catalogue.models import Plan, Product
from products.enablement.models import Enablement
from tests.clients.terraform import Block, Provider, blocks
from tests.factories import NOW
from tests.factories.keys import client_of
from tests.factories.world import load_catalogue


@pytest.fixture
def provider(sam, acme, api_client) -> Provider:
    """Return the provider with Sam's token; Acme has every product."""
    load_catalogue()
    for product in Product.objects.all():
        Enablement.objects.create(
            account=acme,
            product=product,
            plan=Plan.objects.filter(product=product).first(),
            source="direct",
            starts_at=NOW,
            started_by="Sam",
        )
    return Provider(api_client)


@pytest.fixture
def api_client(sam) -> Client:
    """Return a client that sends Sam's token."""
    return client_of(sam)


@pytest.mark.parametrize("block", blocks(), ids=lambda block: block.name)
def test_a_block_converges(block: Block, provider: Provider):
    provider.create(block)
    assert provider.plan() == []

    provider.update(block)
    assert provider.plan() == []

    provider.destroy()
