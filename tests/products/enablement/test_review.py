"""The review before enabling shows the conflicts with which the command would refuse."""

import pytest

from products.catalogue.models import Plan, Product
from products.enablement.commands import assign_package, enable_for_service
from products.enablement.commands.service import Incompatible
from products.enablement.review import conflicts_of
from tests.factories import NOW
from tests.factories.enablement import entitle
from tests.factories.services import ServiceFactory, live_version, parts, set_values


@pytest.fixture
def entitled(sam, ada, acme, websockets, ngwaf):
    """Give Acme both products."""
    entitle(sam, acme, websockets)
    plan = Plan.objects.get(product=ngwaf, kind="package")
    assign_package(ada, account=acme, plan=plan, now=NOW)


def switch(service, slug):
    """Switch a product on for a service without any check."""
    service.products.create(product_id=slug, starts_at=NOW, started_by="test")


@pytest.mark.parametrize(
    ("slug", "on", "shield", "rules"),
    [
        ("websockets", [], "fra", ["R6"]),
        ("websockets", ["ngwaf"], "", ["R7"]),
        ("websockets", ["ngwaf"], "fra", ["R6", "R7"]),
        ("websockets", ["bot_management", "ngwaf"], "", ["R7"]),
        ("ngwaf", ["websockets"], "", ["R7"]),
        ("ngwaf", ["websockets"], "fra", ["R7"]),
    ],
)
def test_the_review_lists_what_the_command_refuses(
    sam, echo, entitled, slug, on, shield, rules
):
    live_version(echo, "echo.example.com")
    set_values(parts("backend"), shield=shield)
    for other in on:
        switch(echo, other)
    product = Product.objects.get(pk=slug)

    (reviewed,) = conflicts_of(sam, product)

    with pytest.raises(Incompatible) as refused:
        enable_for_service(sam, service=echo, product=product, now=NOW)
    assert reviewed.findings == refused.value.findings
    assert [finding.rule for finding in reviewed.findings] == rules


@pytest.mark.parametrize(
    ("slug", "on", "shield"),
    [
        ("websockets", [], ""),
        ("websockets", ["bot_management"], ""),
        ("ngwaf", [], "fra"),
    ],
)
def test_the_review_lists_nothing_if_the_command_succeeds(
    sam, echo, entitled, slug, on, shield
):
    live_version(echo, "echo.example.com")
    set_values(parts("backend"), shield=shield)
    for other in on:
        switch(echo, other)
    product = Product.objects.get(pk=slug)

    (reviewed,) = conflicts_of(sam, product)

    enable_for_service(sam, service=echo, product=product, now=NOW)
    assert reviewed.findings == ()


def test_a_service_without_an_active_version_is_listed_only_with_a_conflict(
    sam, acme, echo, websockets
):
    switch(echo, "ngwaf")
    ServiceFactory.create(account=acme, name="plain")

    reviewed = conflicts_of(sam, websockets)

    assert [each.service for each in reviewed] == [echo]
