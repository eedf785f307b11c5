"""A real edge renews its credential at a real portal, and its file has the new one."""

from collections.abc import Iterator
from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.utils import timezone
from pytest_django.live_server_helper import LiveServer

from accounts.tokens import digest
from products.metering.models import Edge as EdgeRow
from tests.products.edge.fake_portal import CREDENTIAL, eventually
from tests.products.edge.haproxy.haproxy_stand import engine
from tests.products.edge.running import Edge
from tests.serving import OneAtATime

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def portal(monkeypatch) -> Iterator[SimpleNamespace]:
    """Serve the portal, which has an edge whose credential ends within the hour."""
    monkeypatch.setattr(
        "django.test.testcases.LiveServerThread.server_class", OneAtATime
    )
    now = timezone.now()
    EdgeRow.objects.create(
        name="edge-t",
        digest=digest(CREDENTIAL),
        created_at=now - timedelta(days=2),
        expires_at=now + timedelta(hours=1),
        networks="127.0.0.0/8",
    )
    server = LiveServer("localhost")
    yield SimpleNamespace(url=server.url)
    server.stop()


@pytest.mark.parametrize("arguments", [[], engine()], ids=["embedded", "haproxy"])
def test_an_edge_renews_its_credential_and_goes_on(portal, tmp_path, arguments):
    more = ["--name", "edge-t", "--poll-seconds", "0.05", *arguments]
    edge = Edge(portal, tmp_path / "edge", *more)
    secret = edge.folder / "credential"

    eventually(lambda: EdgeRow.objects.get().digest != digest(CREDENTIAL))
    # The time of a request is saved at most every few seconds, unless there is none.
    EdgeRow.objects.update(previous_until=timezone.now(), asked_at=None)
    eventually(lambda: EdgeRow.objects.get().asked_at)

    row = EdgeRow.objects.get()
    assert row.digest == digest(secret.read_text().strip())
    assert not row.has_expired(timezone.now() + timedelta(days=1))
    assert secret.stat().st_mode & 0o777 == 0o600
