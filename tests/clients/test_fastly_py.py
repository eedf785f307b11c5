"""Fastly's Python client against a live portal: it checks the type of every answer itself."""

import importlib
import warnings
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.test.testcases import LiveServerThread
from pytest_django.live_server_helper import LiveServer

from accounts.api.events import EVENT_TYPES
from tests.factories import NOW
from tests.factories.usage import connection_usage
from tests.factories.world import World, build_world
from tests.serving import OneAtATime

# It imports every model it has, and some of them with escapes that Python no longer likes.
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import fastly

pytestmark = pytest.mark.django_db(transaction=True)

Api = Callable[[str, str], Any]


@pytest.fixture
def live_server(monkeypatch) -> Iterator[LiveServer]:
    """Serve on a free port.

    The usual server has a thread for as long as a client keeps a connection, and each thread a
    session with the database, which then could not be removed in the end.
    """
    monkeypatch.setattr(LiveServerThread, "server_class", OneAtATime)
    server = LiveServer("localhost")
    yield server
    server.stop()


@pytest.fixture
def world(live_server) -> World:
    return build_world()


@pytest.fixture
def api(live_server, world) -> Api:
    """Return a way to an API class of the client, with a person's token."""

    def open_api(who: str, name: str) -> Any:
        configuration = fastly.Configuration(host=f"{live_server.url}/api")
        configuration.api_token = world.keys[who]
        words = "".join(f"_{c.lower()}" if c.isupper() else c for c in name).strip("_")
        module = importlib.import_module(f"fastly.api.{words}")
        return getattr(module, name)(fastly.ApiClient(configuration))

    return open_api


def status_of(call: Callable[..., Any], **arguments: Any) -> int:
    """Return the status with which a call is refused; fail where it is not."""
    with pytest.raises(fastly.ApiException) as refused:
        call(**arguments)
    return int(refused.value.status)


def test_a_service_goes_through_its_whole_life(api):
    services, versions = api("engineer", "ServiceApi"), api("engineer", "VersionApi")
    backends, domains = api("engineer", "BackendApi"), api("engineer", "DomainApi")

    made = services.create_service(name="demo", type="vcl", comment="hi")
    place = {"service_id": made.id, "version_id": 1}
    backends.create_backend(**place, name="o", address="origin.example.com", port=443)
    domains.create_domain(**place, name="demo.example.com", comment="c")
    assert versions.validate_service_version(**place).status == "ok"
    assert versions.activate_service_version(**place).active is True
    assert (
        status_of(backends.update_backend, **place, backend_name="o", weight=60) == 422
    )
    assert versions.clone_service_version(**place).number == 2
    assert (
        versions.lock_service_version(service_id=made.id, version_id=2).locked is True
    )
    assert status_of(services.delete_service, service_id=made.id) == 400
    assert versions.deactivate_service_version(**place).active is False
    assert services.delete_service(service_id=made.id).status == "ok"
    assert status_of(services.get_service, service_id=made.id) == 400


def test_services_are_listed_searched_and_described(api, world):
    services = api("engineer", "ServiceApi")

    assert "shop" in [each.name for each in services.list_services(page=1, per_page=5)]
    assert services.search_service(name="shop").id == world.shop.pk
    assert status_of(services.search_service, name="nothing") == 404
    assert (
        services.get_service_detail(service_id=world.shop.pk).active_version.number == 1
    )
    assert len(services.list_service_domains(service_id=world.shop.pk)) == 1


def test_what_a_version_holds_can_be_made_read_changed_and_deleted(api, world):
    place = {"service_id": world.shop.pk, "version_id": 2}
    backends = api("engineer", "BackendApi")
    headers = api("engineer", "HeaderApi")
    snippets = api("engineer", "SnippetApi")
    files = api("engineer", "VclApi")

    backends.create_backend(
        **place,
        name="o",
        address="a.example.com",
        use_ssl=True,
        ssl_check_cert=True,
        port=443,
    )
    assert backends.update_backend(**place, backend_name="o", weight=50).weight == 50
    same = {"name": "o", "address": "a.example.com"}
    assert status_of(backends.create_backend, **place, **same) == 409
    assert status_of(backends.get_backend, **place, backend_name="q") == 404
    headers.create_header_object(
        **place,
        name="h",
        action="set",
        type="request",
        dst="http.X-A",
        src='"b"',
        priority="10",
    )
    assert headers.get_header_object(**place, header_name="h").priority == "10"
    assert headers.delete_header_object(**place, header_name="h").status == "ok"
    snippets.create_snippet(
        **place,
        name="sn",
        type="recv",
        content="return(upgrade);",
        priority="50",
        dynamic="0",
    )
    assert snippets.get_snippet(**place, name="sn").priority == "50"
    files.create_custom_vcl(
        **place, name="more", content="sub vcl_recv { }", main=False
    )
    found = {each.name for each in files.list_custom_vcl(**place)}
    assert found == {"main", "more", "tenant"}
    assert api("engineer", "SettingsApi").get_service_settings(**place) is not None
    diff = api("engineer", "DiffApi").diff_service_versions(
        service_id=world.shop.pk, from_version_id=1, to_version_id=2
    )
    assert "sn" in diff.diff


def test_websockets_is_switched_on_and_off_by_those_who_may(api, world):
    product = api("engineer", "ProductWebsocketsApi")
    shop = {"service_id": world.shop.pk}

    assert status_of(product.get_product_websockets, **shop) == 400
    assert product.enable_product_websockets(**shop).product.id == "websockets"
    assert product.enable_product_websockets(**shop).service.id == world.shop.pk
    assert product.get_services_product_websockets().services == [world.shop.pk]
    una = api("user", "ProductWebsocketsApi")
    assert status_of(una.disable_product_websockets, **shop) == 403
    stan = api("non_member", "ProductWebsocketsApi")
    assert status_of(stan.get_product_websockets, **shop) in {400, 404}
    product.disable_product_websockets(**shop)
    product.disable_product_websockets(**shop)
    fanout = api("engineer", "ProductFanoutApi")
    assert status_of(fanout.enable_product_fanout, **shop) == 400


def test_people_tokens_and_events_are_read(api, world):
    users, events = api("superuser", "UserApi"), api("superuser", "EventsApi")
    tokens = api("superuser", "TokensApi")

    assert str(users.get_current_user().role) == "superuser"
    assert tokens.get_token_current().scope == "global"
    assert len(tokens.list_tokens_user()) >= 1
    customer = api("superuser", "CustomerApi")
    assert customer.get_logged_in_customer().id == world.acme.pk
    assert {
        str(each.role) for each in customer.list_users(customer_id=world.acme.pk)
    } >= {
        "user",
        "billing",
        "engineer",
        "superuser",
    }
    page = events.list_events(page_number=1, page_size=3)
    shown = page.data.value
    assert len(shown) == 3
    assert events.get_event(event_id=shown[0].id).data.id == shown[0].id
    assert status_of(api("engineer", "EventsApi").list_events) == 403


def test_users_are_created_changed_and_deleted(api, world):
    users = api("superuser", "UserApi")
    key = world.people["engineer"].user_id

    made = users.create_user(login="new.one@example.com", name="New", role="user")
    assert (made.login, made.locked) == ("new.one@example.com", True)
    assert users.get_user(user_id=made.id).id == made.id
    assert users.delete_user(user_id=made.id).status == "ok"
    assert users.update_user(user_id=key, name="Eve Two").name == "Eve Two"
    assert users.request_password_reset(user_login="una@example.com").status == "ok"
    assert status_of(api("user", "UserApi").delete_user, user_id=key) == 403


def test_the_account_and_its_invitations_are_managed(api, world):
    customers = api("superuser", "CustomerApi")
    invitations = api("superuser", "InvitationsApi")

    renamed = customers.update_customer(customer_id=world.acme.pk, name="Acme Ltd")
    assert renamed.name == "Acme Ltd"
    assert status_of(customers.delete_customer, customer_id=world.acme.pk) == 403
    listed = invitations.list_invitations(page_number=1, page_size=5)
    assert [each.id for each in listed.data] == [world.invitation.pk]
    invitations.delete_invitation(invitation_id=world.invitation.pk)
    assert invitations.list_invitations().data == []


def test_several_tokens_are_revoked_together(api, world):
    tokens = api("superuser", "TokensApi")
    listed = tokens.list_tokens_customer(customer_id=world.acme.pk)

    others = [each for each in listed if each.id == world.token.pk]
    tokens.bulk_revoke_tokens(
        request_body={"data": [{"type": "token", "id": each.id} for each in others]}
    )

    assert status_of(tokens.get_token, token_id=world.token.pk) == 404


def test_access_to_services_is_listed_and_a_revoked_token_is_refused(api, world):
    access = api("superuser", "ServiceAuthorizationsApi")
    tokens = api("billing", "TokensApi")

    assert len(access.list_service_authorization(page_number=1, page_size=5).data) >= 1
    tokens.revoke_token_current()
    assert status_of(tokens.get_token_current) == 401


def test_billing_is_read_as_invoices_and_usage(api, world):
    connection_usage(world.shop, NOW, 90, month="2026-11")
    invoices = api("billing", "BillingInvoicesApi")
    usage = api("billing", "BillingUsageMetricsApi")

    [listed] = invoices.list_invoices().data
    one = invoices.get_invoice_by_invoice_id(invoice_id=world.invoice.pk)
    running = invoices.get_month_to_date_invoice()
    usage.get_usage_metrics(start_month="2026-11", end_month="2026-11")
    by_service = usage.get_service_level_usage(
        start_month="2026-11", end_month="2026-11"
    )

    assert listed.statement_number == one.statement_number == world.invoice.number
    assert running.monthly_transaction_amount == "0.00"
    [row] = by_service.data.details
    assert (row.service_id, row.usage_units) == (world.shop.pk, 0.00009)


def test_platform_metrics_are_read_in_pages_by_edge(api, world):
    connection_usage(world.shop, NOW, 90, month="2026-11")
    metrics = api("user", "MetricsPlatformApi")
    query = {
        "granularity": "hourly",
        "_from": f"{NOW - timedelta(hours=2):%Y-%m-%dT%H:%M:%SZ}",
        "to": f"{NOW + timedelta(hours=2):%Y-%m-%dT%H:%M:%SZ}",
        "metric_set": "websockets",
        "group_by": "datacenter",
        "limit": "1",
    }

    first = metrics.get_platform_metrics_aggregate_historical(**query)
    second = metrics.get_platform_metrics_aggregate_historical(
        **query, cursor=first.meta.next_cursor
    )

    rows = [*first.data, *second.data]
    assert first.meta.limit == 1
    assert len({row.timestamp for row in rows}) == len(rows)
    assert all(row.datacenter for row in rows)


def test_events_are_filtered_by_every_type_that_the_client_has():
    module = importlib.import_module("fastly.model.event_attributes")
    types = module.EventAttributes.allowed_values[("event_type",)].values()

    assert sorted(types) == EVENT_TYPES
