"""Secrets of parts are shown to who may configure the service, and to no one else."""

import pytest
from django.test import Client

from accounts.actor import TokenScope
from accounts.roles import AccessLevel, Role
from products.services.kinds import KINDS
from tests.factories.accounts import actor_for, give_access, member
from tests.factories.keys import automation_key, client_of
from tests.factories.services import PartFactory

SECRET = "s3cret"
KINDS_WITH_SECRETS = {
    segment: [each.name for each in kind.settable if each.secret]
    for segment, kind in KINDS.items()
    if any(each.secret for each in kind.settable)
}
CONFIGURING = ("superuser", "engineer", "full", "automation")
READING = ("user", "billing", "read_only", "superuser_read_token", "automation_user")


@pytest.fixture
def clients(acme, shop, sam, eve, bo, una):
    """Return a client of each sort of reader."""

    def limited(name, level):
        user = member(acme, name, Role.ENGINEER, limit_services=True)
        give_access(user, shop, level)
        return client_of(actor_for(user, acme))

    def automation(role):
        return Client(headers={"Fastly-Key": automation_key(acme, role)})

    return {
        "superuser": client_of(sam),
        "engineer": client_of(eve),
        "full": limited("Flo", AccessLevel.FULL),
        "automation": automation(Role.ENGINEER),
        "user": client_of(una),
        "billing": client_of(bo),
        "read_only": limited("Rod", AccessLevel.READ_ONLY),
        "superuser_read_token": client_of(sam, scope=TokenScope.GLOBAL_READ),
        "automation_user": automation(Role.USER),
    }


@pytest.mark.parametrize("segment", KINDS_WITH_SECRETS)
def test_secrets_are_shown_to_who_may_configure_the_service(
    clients, shop, draft, segment
):
    fields = KINDS_WITH_SECRETS[segment]
    PartFactory.create(
        version=draft, kind=segment, name="one", **dict.fromkeys(fields, SECRET)
    )
    path = f"/api/service/{shop.pk}/version/1/{segment}"

    shown = {
        who: [each.get(name) for each in client.get(path).json() for name in fields]
        for who, client in clients.items()
    }

    assert {
        who for who, values in shown.items() if values.count(SECRET) == len(fields)
    } == set(CONFIGURING)
    assert {who for who, values in shown.items() if SECRET not in values} == set(
        READING
    )


def test_the_table_has_every_kind_of_log_endpoint_with_a_key():
    assert len(KINDS_WITH_SECRETS) > 20
