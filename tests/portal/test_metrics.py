"""`/metrics`: who may read it, and what it counts."""

from collections import Counter

import pytest
from django.test import Client

from accounts.audit.models import ChainHead
from portal import env, health
from products.deploy.commands import DeploymentRefused, activate
from tests.factories import NOW
from tests.factories.services import VersionFactory
from tests.factories.world import load_catalogue
from tests.products.metering.reports import make_edge

TOKEN = "a-token-that-prometheus-has"


@pytest.fixture(autouse=True)
def broker(monkeypatch):
    monkeypatch.setattr(health.celery.conf, "broker_url", "memory://")


def read(client):
    """Return the values by name and labels; what earlier tests counted is in them."""
    lines = client.get("/metrics").content.decode().splitlines()
    pairs = (line.rpartition(" ") for line in lines if not line.startswith("#"))
    return Counter({name: float(value) for name, _, value in pairs})


@pytest.mark.parametrize(
    ("address", "headers", "status"),
    [
        ("127.0.0.1", {}, 200),
        ("::1", {}, 200),
        ("192.0.2.7", {}, 404),
        ("127.0.0.1", {"X-Forwarded-For": "127.0.0.1"}, 404),
        ("192.0.2.7", {"Authorization": f"Bearer {TOKEN}"}, 200),
        ("192.0.2.7", {"Authorization": f"Token {TOKEN}"}, 404),
        ("192.0.2.7", {"Authorization": "Bearer "}, 404),
        ("", {}, 404),
    ],
)
def test_this_machine_or_a_token_may_read(db, settings, address, headers, status):
    settings.METRICS_TOKEN = TOKEN

    response = Client(REMOTE_ADDR=address, headers=headers).get("/metrics")

    assert response.status_code == status


def test_without_a_token_in_the_settings_none_is_accepted(db, settings):
    settings.METRICS_TOKEN = ""
    client = Client(REMOTE_ADDR="192.0.2.7", headers={"Authorization": "Bearer "})

    assert client.get("/metrics").status_code == 404


def test_requests_are_counted_by_route_and_not_by_path(client, db):
    before = read(client)
    client.get("/api/service/first")
    client.get("/api/service/second")
    client.get("/nowhere/at/all")
    client.generic("INVENTED", "/accounts/login/")

    more = read(client) - before

    route = 'route="/api/service/<str:service_id>"'
    assert more[f'tollgate_requests_total{{method="GET",{route},status="401"}}'] == 2
    assert more['tollgate_requests_total{method="GET",route="none",status="404"}'] == 1
    assert more[f"tollgate_request_seconds_count{{{route}}}"] == 2
    assert [each for each in more if 'method="other",route="/accounts/login/"' in each]
    assert [each for each in more if "nowhere" in each or "/metrics" in each] == []


def test_refused_deployments_are_counted_by_check(client, una, shop):
    load_catalogue()
    version = VersionFactory.create(service=shop, number=1)
    before = read(client)

    with pytest.raises(DeploymentRefused):
        activate(una, version=version, now=NOW)

    more = read(client) - before
    assert more['tollgate_refused_deployments_total{check="role"}'] == 1
    assert more['tollgate_changes_total{event="deployment.refused"}'] == 1
    assert more["tollgate_audit_height"] == 1


def test_checks_and_figures_are_read_from_the_database(client, acme):
    make_edge("lon-1", last_seen_at=NOW, rejected_connections=4)

    found = read(client)

    assert found['tollgate_check{check="database"}'] == 1
    assert found['tollgate_edge_rejected_connections{edge="lon-1"}'] == 4
    assert found["tollgate_audit_chains"] == ChainHead.objects.count()
    assert {
        'tollgate_invoices{state="draft"}',
        'tollgate_edges{state="offline"}',
        'tollgate_due_work_age_seconds{sweep="send-mail"}',
        'tollgate_waiting{kind="webhooks"}',
        'tollgate_stuck{kind="disputes"}',
    } <= set(found)


def test_a_web_server_that_starts_counts_from_0(tmp_path, monkeypatch):
    monkeypatch.setenv(env.COUNTS_IN, "")
    (tmp_path / "counter_1.db").touch()

    env.count_in(tmp_path)

    assert list(tmp_path.iterdir()) == []
