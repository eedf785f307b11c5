"""Services, versions and what they hold, as far as an actor may see them."""

import pytest

from accounts.errors import Forbidden, NotFound
from accounts.models import Account
from accounts.roles import AccessLevel, Role
from products.services.models import Service, Version
from products.services.queries import (
    active_version,
    get_part,
    get_service,
    get_version,
    latest_version,
    parts_of,
    services_of,
    version_for_decision,
    versions_of,
)
from tests.factories import NOW
from tests.factories.accounts import actor_for, give_access, member
from tests.factories.services import (
    BackendFactory,
    DomainFactory,
    ServiceFactory,
    VersionFactory,
    live_version,
)


@pytest.fixture
def services(acme, globex, shop):
    """Return Acme's services beside one of Globex and one that is deleted."""
    live_version(shop, "shop.example.com", number=2)
    VersionFactory.create(service=shop, number=3)
    ServiceFactory.create(account=globex, name="other")
    ServiceFactory.create(account=acme, name="gone", deleted_at=NOW)
    return [ServiceFactory.create(account=acme, name="chat"), shop]


@pytest.mark.parametrize("persona", ["sam", "eve", "bo", "una"])
def test_a_member_sees_the_existing_services_of_the_account_by_name(
    persona, services, request
):
    rows = services_of(request.getfixturevalue(persona))

    assert [(row.name, row.active_number) for row in rows] == [
        ("chat", None),
        ("shop", 2),
    ]


def test_a_limited_engineer_sees_the_chosen_services_alone(lin, services):
    assert [row.name for row in services_of(lin)] == ["shop"]


@pytest.mark.parametrize("level", AccessLevel)
def test_every_level_of_access_lets_a_service_be_seen(level, acme, shop):
    user = member(acme, "Kim", Role.USER, limit_services=True)
    give_access(user, shop, level)

    assert list(services_of(actor_for(user, acme))) == [shop]


def test_a_non_member_sees_no_services(stan, services):
    assert [row.name for row in services_of(stan)] == ["other"]


def test_a_former_member_sees_no_services(eve, services):
    Account.objects.get(pk=eve.account_id).memberships.all().delete()

    assert list(services_of(eve)) == []


def test_listing_services_asks_a_fixed_number_of_queries(
    eve, services, django_assert_num_queries
):
    with django_assert_num_queries(2):
        list(services_of(eve))
    ServiceFactory.create_batch(20, account=services[0].account)

    with django_assert_num_queries(2):
        assert len(services_of(eve)) == 22


def test_a_service_is_found_by_its_id(eve, services, django_assert_num_queries):
    with django_assert_num_queries(2):
        assert get_service(eve, services[1].pk) == services[1]


@pytest.mark.parametrize(
    ("persona", "name"), [("stan", "shop"), ("eve", "other"), ("eve", "gone")]
)
@pytest.mark.parametrize(
    "find", [get_service, lambda actor, key: get_version(actor, key, 2)]
)
def test_another_accounts_or_deleted_service_is_not_found(
    find, persona, name, services, request
):
    service_id = Service.objects.get(name=name).pk

    with pytest.raises(NotFound) as refusal:
        find(request.getfixturevalue(persona), service_id)

    assert refusal.value.message == f"Service {service_id} not found."


@pytest.mark.parametrize(
    "find", [get_service, lambda actor, key: get_version(actor, key, 2)]
)
def test_a_member_limited_to_other_services_is_forbidden(find, lin, services):
    with pytest.raises(Forbidden) as refusal:
        find(lin, services[0].pk)

    assert refusal.value.message == "You don't have access to this service."


def test_a_service_that_there_is_not_is_not_found(eve):
    with pytest.raises(NotFound):
        get_service(eve, "0" * 22)


@pytest.mark.parametrize("persona", ["eve", "una", "lin"])
def test_a_member_gets_any_version_of_the_account_for_a_decision(
    persona, acme, request
):
    chat = ServiceFactory.create(account=acme, name="chat")
    version = VersionFactory.create(service=chat)

    assert version_for_decision(request.getfixturevalue(persona), chat.pk, 1) == version


@pytest.mark.parametrize(
    ("persona", "name", "number"),
    [("stan", "shop", 2), ("eve", "other", 1), ("eve", "gone", 1), ("eve", "shop", 9)],
)
def test_a_version_outside_the_account_is_not_found_for_a_decision(
    persona, name, number, services, request
):
    VersionFactory.create(service=Service.objects.get(name="other"))
    VersionFactory.create(service=Service.objects.get(name="gone"))

    with pytest.raises(NotFound):
        version_for_decision(
            request.getfixturevalue(persona), Service.objects.get(name=name).pk, number
        )


def test_a_former_member_gets_no_version_for_a_decision(eve, shop, services):
    Account.objects.get(pk=eve.account_id).memberships.all().delete()

    with pytest.raises(NotFound):
        version_for_decision(eve, shop.pk, 2)


def test_a_version_comes_with_its_service(
    eve, shop, services, django_assert_num_queries
):
    with django_assert_num_queries(2):
        version = get_version(eve, shop.pk, 2)
        assert (version.number, version.service.name) == (2, "shop")


def test_a_version_that_there_is_not_is_not_found(eve, shop, services):
    with pytest.raises(NotFound):
        get_version(eve, shop.pk, 1)


def test_versions_come_in_order(shop):
    for number in (3, 1, 2):
        VersionFactory.create(service=shop, number=number)
    VersionFactory.create()

    assert [each.number for each in versions_of(shop)] == [1, 2, 3]
    assert latest_version(shop).number == 3


def test_the_active_version_is_the_one_that_is_live(shop, services):
    live = active_version(shop)

    assert live is not None
    assert live.number == 2
    assert active_version(services[0]) is None


def test_a_service_without_versions_has_no_latest(shop):
    with pytest.raises(NotFound, match="Service 'shop' has no versions"):
        latest_version(shop)


def test_parts_come_in_the_order_in_which_they_were_added(shop):
    version = VersionFactory.create(service=shop)
    BackendFactory.create(version=version, name="zulu")
    BackendFactory.create(version=version, name="alpha")
    BackendFactory.create(name="elsewhere")

    assert [row.name for row in parts_of(version, "backend")] == ["zulu", "alpha"]
    assert parts_of(version, "domain") == []


def test_a_part_is_found_by_its_name(shop, django_assert_num_queries):
    version = VersionFactory.create(service=shop)
    domain = DomainFactory.create(version=version, name="a.example.com")

    with django_assert_num_queries(1):
        found = get_part(version, "domain", "A.example.com")
        assert (found, found.version.service) == (domain, shop)


@pytest.mark.parametrize("kind", ["domain", "backend", "condition"])
def test_a_part_that_there_is_not_is_not_found(kind, shop):
    version = VersionFactory.create(service=shop, number=5)
    DomainFactory.create(name="a.example.com")

    with pytest.raises(NotFound) as refusal:
        get_part(version, kind, "a.example.com")

    assert refusal.value.message == f"Version 5 has no {kind} “a.example.com”."


def test_a_kind_that_there_is_not_is_not_found(shop):
    version = VersionFactory.create(service=shop)

    with pytest.raises(NotFound, match="Versions have no parts of the kind teapot"):
        parts_of(version, "teapot")


@pytest.mark.parametrize(
    ("active", "locked", "state"),
    [(False, False, "draft"), (False, True, "locked"), (True, True, "active")],
)
def test_a_version_is_draft_locked_or_active(active, locked, state):
    assert Version(active=active, locked=locked).state == state
