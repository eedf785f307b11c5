"""The route table: active versions and their entitlement, derived again only if it moved."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from accounts.actor import Actor
from accounts.models import Account
from products.compatibility.version_config import HeaderConfig
from products.deploy.commands import activate
from products.deploy.routes import PublishedTable, RouteTableCache, header_rules
from products.domains.commands import move_claim
from products.domains.models import DomainClaim
from products.edge.contract import (
    HeaderRule,
    LogTls,
    Origin,
    RouteLogEndpoint,
    RouteTable,
)
from products.enablement.commands import (
    disable,
    disable_for_service,
    enable_for_service,
)
from products.enablement.models import Enablement, ServiceProduct
from products.metering.commands import declare_restored, issue_credential
from products.metering.queries import edge_of
from products.services.models import Service
from tests.factories import NOW
from tests.factories.enablement import entitle
from tests.factories.services import (
    BackendFactory,
    DomainFactory,
    LogEndpointFactory,
    SnippetFactory,
    VersionFactory,
    live_version,
    set_values,
)

LATER = NOW + timedelta(hours=1)
OPERATOR = Actor.system("edge-credential")
RESTORER = Actor.system("restored")


@pytest.fixture
def active(eve, draft):
    """Activate the draft."""
    activate(eve, version=draft, now=NOW)
    return draft


@pytest.fixture
def cache():
    """Return a cache with nothing in it."""
    return RouteTableCache()


def route(now: datetime = NOW):
    """Return the only route, freshly derived."""
    (only,) = routes_in(RouteTableCache().table(epoch="", revision=1, now=now))
    return only


def routes_in(table: PublishedTable):
    return RouteTable.from_bytes(table.body).routes


def test_an_active_service_is_a_route_that_refuses_until_it_is_entitled(echo, active):
    only = route()

    assert (only.service, only.hosts) == (echo.pk, ("echo.example.com",))
    assert (only.websockets, only.refusal) == (
        False,
        "WebSockets is not enabled for this account.",
    )
    assert (only.month, only.month_ends_at) == (
        "2026-11",
        datetime(2026, 12, 1, tzinfo=UTC),
    )


def test_account_and_service_together_entitle(sam, eve, acme, echo, active, websockets):
    entitle(sam, acme, websockets)
    assert route().refusal == "WebSockets is not switched on for this service."

    enable_for_service(eve, service=echo, product=websockets, now=NOW)
    assert (route().websockets, route().refusal) == (True, "")


def test_vcl_that_upgrades_is_refused_with_the_same_sentence(
    sam, acme, active, websockets
):
    entitle(sam, acme, websockets)
    SnippetFactory.create(version=active)

    assert route().refusal == "WebSockets is not switched on for this service."


def test_a_blocked_product_is_refused_without_its_reason(
    sam, eve, acme, echo, active, websockets
):
    entitle(sam, acme, websockets)
    enable_for_service(eve, service=echo, product=websockets, now=NOW)
    Enablement.objects.update(blocked_at=NOW, blocked_reason="The cap is reached.")

    assert (route().refusal, route().drain_mode) == (
        "WebSockets is blocked for this account.",
        "keep",
    )


def test_a_version_that_breaks_a_rule_is_refused_with_the_first_conflict(
    sam, eve, acme, echo, active, websockets
):
    entitle(sam, acme, websockets)
    enable_for_service(eve, service=echo, product=websockets, now=NOW)
    set_values(active.parts.filter(kind="backend"), shield="fra", ssl_check_cert=False)

    assert "uses the shield fra" in route().refusal
    assert "certificate" not in route().refusal


@pytest.mark.parametrize(
    ("drain_mode", "until"),
    [
        ("cut", None),
        ("keep", None),
        ("drain", datetime(2026, 11, 22, 13, 1, tzinfo=UTC)),
    ],
)
def test_disabling_says_what_happens_to_open_connections(
    sam, eve, acme, echo, active, websockets, drain_mode, until
):
    entitle(sam, acme, websockets)
    enable_for_service(eve, service=echo, product=websockets, now=NOW)
    disable(sam, account=acme, product=websockets, drain_mode=drain_mode, now=LATER)

    only = route()

    assert (only.websockets, only.drain_mode) == (False, drain_mode)
    assert only.drain_until == until


def test_switching_the_service_off_drains(sam, eve, acme, echo, active, websockets):
    entitle(sam, acme, websockets)
    enable_for_service(eve, service=echo, product=websockets, now=NOW)
    disable_for_service(eve, service=echo, product=websockets, now=LATER)

    assert (route().drain_mode, route().drain_until) == (
        "drain",
        datetime(2026, 11, 22, 13, 1, tzinfo=UTC),
    )


def test_a_suspended_account_is_cut_and_its_reason_is_not_published(acme, active):
    Account.objects.update(suspended_at=NOW, suspension_reason="unpaid")

    assert (route().refusal, route().drain_mode) == (
        "This account is suspended.",
        "cut",
    )


def test_a_version_without_parts_is_a_route_without_an_origin(shop):
    VersionFactory.create(service=shop, live=True)

    assert (route().hosts, route().origin, route().header_rules) == ((), None, ())


def test_the_first_backend_added_gets_the_connections(shop):
    version = VersionFactory.create(service=shop, live=True)
    BackendFactory.create(
        version=version, name="zulu", port=8443, override_host="www.example.com"
    )
    BackendFactory.create(version=version, name="alpha")

    assert route().origin == Origin(
        name="zulu",
        address="origin.example.com",
        port=8443,
        use_tls=True,
        override_host="www.example.com",
    )


def test_hosts_are_sorted(shop):
    live_version(shop, "b.example.com", "*.a.example.com")

    assert route().hosts == ("*.a.example.com", "b.example.com")


def test_log_endpoints_that_the_edge_can_send_to_are_published(shop):
    version = live_version(shop)
    LogEndpointFactory.create(version=version, name="one", format="%{User-Agent}i")
    LogEndpointFactory.create(version=version, name="two", kind="logging/s3")
    LogEndpointFactory.create(
        version=version, name="three", kind="logging/syslog", address="logs.example.com"
    )
    LogEndpointFactory.create(
        version=version,
        name="four",
        kind="logging/syslog",
        address="a.example",
        use_tls=True,
        token="t",
    )
    LogEndpointFactory.create(
        version=version, name="five", header_name="X-Key", header_value="k"
    )
    LogEndpointFactory.create(version=version, name="six", response_condition="errors")

    assert route().log_endpoints == (
        RouteLogEndpoint(
            "https", "one", "https://logs.example.com/in", ("User-Agent",)
        ),
        RouteLogEndpoint("syslog", "three", "logs.example.com:514"),
        RouteLogEndpoint("syslog", "four", "a.example:514", tls=LogTls(), token="t"),
        RouteLogEndpoint(
            "https",
            "five",
            "https://logs.example.com/in",
            header_name="X-Key",
            header_value="k",
        ),
    )


def test_header_rules_are_ordered_by_priority_and_then_as_added():
    rules = (
        HeaderConfig(name="a", priority=100, dst="http.A", src='"one"'),
        HeaderConfig(name="b", priority=9, dst="B", action="append", src="two"),
        HeaderConfig(name="c", priority=100, dst="http.A", src='"three"'),
        HeaderConfig(name="d", priority=10, dst="C", action="delete", src="x"),
        HeaderConfig(name="e", priority=1, dst="D", type="response"),
    )

    assert header_rules(rules) == (
        HeaderRule("append", "B", "two"),
        HeaderRule("delete", "C"),
        HeaderRule("set", "A", "one"),
        HeaderRule("set", "A", "three"),
    )


def test_an_unchanged_revision_costs_no_query(cache, active, django_assert_num_queries):
    first = cache.table(epoch="", revision=7, now=NOW)

    with django_assert_num_queries(0):
        again = cache.table(epoch="", revision=7, now=NOW)

    assert again is first


@pytest.mark.parametrize("services", [1, 40])
def test_a_table_costs_the_same_queries_for_any_number_of_services(
    services, cache, sam, eve, acme, active, websockets, django_assert_num_queries
):
    entitle(sam, acme, websockets)
    for version in VersionFactory.create_batch(
        services, live=True, service__account=acme
    ):
        DomainFactory(version=version)
        BackendFactory(version=version)
    for service in Service.objects.filter(account=acme):
        enable_for_service(eve, service=service, product=websockets, now=NOW)

    with django_assert_num_queries(6):
        table = cache.table(epoch="", revision=1, now=NOW)

    assert len(table.routes) == services + 1


def test_only_accounts_whose_revision_moved_are_derived_again(
    cache, acme, globex, active
):
    live_version(
        Service.objects.create(
            account=globex, name="g", created_at=NOW, updated_at=NOW
        ),
        "g.example.com",
    )
    cache.table(epoch="", revision=1, now=NOW)
    Account.objects.update(suspended_at=NOW, suspension_reason="unpaid")
    Account.objects.filter(pk=globex.pk).update(routes_revision=9)

    table = cache.table(epoch="", revision=2, now=NOW)

    refusals = {each.account: each.refusal for each in table.routes}
    assert refusals == {
        acme.pk: "WebSockets is not enabled for this account.",
        globex.pk: "This account is suspended.",
    }


def test_a_change_that_touches_no_route_makes_no_new_table(cache, active):
    first = cache.table(epoch="", revision=7, now=NOW)
    Account.objects.update(routes_revision=8)

    assert cache.table(epoch="", revision=8, now=NOW) is first


def test_processes_with_the_same_routes_give_the_same_etag(cache, active):
    cache.table(epoch="", revision=7, now=NOW)
    Account.objects.update(routes_revision=8)

    kept = cache.table(epoch="", revision=8, now=NOW)
    derived = RouteTableCache().table(epoch="", revision=8, now=NOW)

    assert kept.etag == derived.etag


def test_the_end_of_a_month_makes_a_new_table(cache, active):
    first = cache.table(epoch="", revision=7, now=NOW)

    again = cache.table(epoch="", revision=7, now=datetime(2026, 12, 1, tzinfo=UTC))

    assert again.etag != first.etag
    assert json.loads(again.body)["routes"][0]["month"] == "2026-12"


def test_routes_of_a_restored_database_are_derived_again_at_the_same_revision(
    cache, sam, eve, acme, echo, active, websockets
):
    secret = issue_credential(OPERATOR, name="edge-1", now=NOW).secret
    entitle(sam, acme, websockets)
    enable_for_service(eve, service=echo, product=websockets, now=NOW)
    edge = edge_of(secret, address="", now=NOW)
    before = cache.table(
        epoch=edge.ingest_epoch, revision=edge.routes_revision, now=NOW
    )
    revision = edge.routes_revision

    # The backup was made without the switch; one other change since then moved the revision.
    ServiceProduct.objects.all().delete()
    declare_restored(RESTORER, now=LATER)
    edge = edge_of(secret, address="", now=NOW)
    after = cache.table(epoch=edge.ingest_epoch, revision=edge.routes_revision, now=NOW)

    assert edge.routes_revision == revision
    assert [each.websockets for each in before.routes] == [True]
    assert [each.websockets for each in after.routes] == [False]


def test_the_revision_is_read_in_the_query_that_finds_the_edge(
    sam, eve, acme, echo, active, websockets, django_assert_num_queries
):
    secret = issue_credential(OPERATOR, name="edge-1", now=NOW).secret
    before = edge_of(secret, address="", now=NOW).routes_revision
    entitle(sam, acme, websockets)
    enable_for_service(eve, service=echo, product=websockets, now=NOW)

    with django_assert_num_queries(1):
        edge = edge_of(secret, address="", now=NOW)

    assert edge.routes_revision > before


@pytest.mark.parametrize(
    ("zone", "now", "month", "ends"),
    [
        ("UTC", "2026-12-31T23:59:59+00:00", "2026-12", "2027-01-01T00:00:00+00:00"),
        (
            "Europe/Berlin",
            "2026-03-31T21:59:59+00:00",
            "2026-03",
            "2026-03-31T22:00:00+00:00",
        ),
        (
            "Europe/Berlin",
            "2026-03-31T22:00:00+00:00",
            "2026-04",
            "2026-04-30T22:00:00+00:00",
        ),
    ],
)
def test_a_route_names_the_month_in_the_accounts_zone(active, zone, now, month, ends):
    Account.objects.update(billing_zone=zone)

    only = route(datetime.fromisoformat(now))

    found = (only.month, only.month_ends_at)
    assert found == (month, datetime.fromisoformat(ends))


def test_a_host_without_a_claim_of_its_account_is_left_out(active, caplog):
    assert route().hosts == ("echo.example.com",)
    DomainClaim.objects.update(state="lost")

    assert route().hosts == ()
    assert "not claimed by its account" in caplog.text


def test_moving_a_claim_takes_the_host_off_and_moves_the_revision(
    ada, acme, globex, active
):
    before = Account.objects.get(pk=acme.pk).routes_revision
    claim = DomainClaim.objects.get(account=acme)

    move_claim(ada, claim=claim, to=globex, reason="Sold", now=NOW)

    assert route().hosts == ()
    assert Account.objects.get(pk=acme.pk).routes_revision > before
