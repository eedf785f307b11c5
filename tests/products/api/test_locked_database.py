"""While another transaction is open for long, what only reads is answered."""

import threading
from contextlib import contextmanager

import pytest
from django.db import connection, transaction
from django.test import Client

from accounts.models import ApiToken
from accounts.roles import Role
from accounts.tokens import digest
from products.metering.models import Edge
from tests.factories import NOW
from tests.factories.accounts import AccountFactory, actor_for, member
from tests.factories.keys import client_of

pytestmark = pytest.mark.django_db(transaction=True)


@contextmanager
def locked(rows):
    """Hold a transaction that has written to these rows, in another connection."""
    held, done = threading.Event(), threading.Event()

    def hold():
        try:
            with transaction.atomic():
                list(rows.select_for_update())
                rows.update(name="held")
                held.set()
                done.wait(60)
                transaction.set_rollback(True)
        finally:
            connection.close()

    thread = threading.Thread(target=hold, daemon=True)
    thread.start()
    try:
        assert held.wait(60)
        yield
    finally:
        done.set()
        thread.join()


def test_a_token_is_accepted_although_its_last_use_cannot_be_written(caplog):
    acme = AccountFactory.create(name="Acme")
    client = client_of(actor_for(member(acme, "Eve", Role.ENGINEER), acme))

    with locked(ApiToken.objects.all()):
        response = client.get("/api/verify")

    assert response.status_code == 200
    assert ApiToken.objects.get().last_used_at is None
    assert (
        "Not written, as the database is locked: when a token was last used."
        in caplog.text
    )


def test_an_edge_gets_its_table_although_its_status_cannot_be_written(caplog):
    Edge.objects.create(name="lon-1", digest=digest("secret"), created_at=NOW)
    client = Client(headers={"Authorization": "Bearer secret"})
    client.get("/api/edge/v1/routes")
    Edge.objects.update(asked_at=None)

    with locked(Edge.objects.all()):
        response = client.get("/api/edge/v1/routes")

    assert response.status_code == 200
    assert Edge.objects.get().asked_at is None
    assert (
        "Not written, as the database is locked: the status of an edge." in caplog.text
    )
