"""R20 to R23: roles, access to services, superusers, and the trail of it all."""

import pytest

from accounts.audit.models import AuditEvent
from accounts.audit.queries import verify
from accounts.commands.members import (
    LastSuperuser,
    change_role,
    limit_services,
    remove_member,
)
from accounts.models import Membership
from accounts.policy import decide
from accounts.roles import ROLE_PERMISSIONS, AccessLevel, Permission, Role
from tests.architecture.attempts import membership_of
from tests.factories import NOW
from tests.factories.accounts import actor_for, give_access
from tests.factories.digests import digest_of_everything


def test_r20_abilities_are_selective_and_not_a_ladder():
    sees_costs = {
        role for role in Role if Permission.BILLING_READ in ROLE_PERMISSIONS[role]
    }
    deploys = {
        role for role in Role if Permission.SERVICE_DEPLOY in ROLE_PERMISSIONS[role]
    }
    enables = {
        role for role in Role if Permission.PRODUCT_ENABLE in ROLE_PERMISSIONS[role]
    }

    assert sees_costs == {Role.BILLING, Role.SUPERUSER}
    assert deploys == {Role.ENGINEER, Role.SUPERUSER}
    assert enables == {Role.SUPERUSER}


def test_r20_a_change_of_role_counts_at_the_next_request(world, api):
    sam = world.people["superuser"]
    path = f"/api/service/{world.shop.pk}/version"
    before, _ = api("engineer", "POST", path)

    seat = membership_of(world, "engineer")
    change_role(sam, membership=seat, role="billing", now=NOW)
    after, _ = api("engineer", "POST", path)

    assert (before, after) == (200, 403)


@pytest.mark.parametrize(
    "level, allowed",
    [
        (AccessLevel.FULL, {"read", "configure", "deploy", "purge"}),
        (AccessLevel.READ_ONLY, {"read"}),
        (AccessLevel.PURGE_SELECT, {"read", "purge"}),
        (AccessLevel.PURGE_ALL, {"read", "purge"}),
    ],
)
def test_r21_access_to_a_chosen_service_has_a_level(level, allowed, world):
    outside = world.person("outside")
    give_access(outside, world.shop, level)
    actor = actor_for(outside, world.acme)

    can = {
        verb
        for verb in ("read", "configure", "deploy", "purge")
        if decide(actor, Permission(f"service:{verb}"), world.shop).allowed
    }

    assert can == allowed


def test_r21_other_services_are_closed_and_the_list_is_short(world, api):
    _, services = api("outside", "GET", "/api/service")
    status, _ = api("outside", "GET", f"/api/service/{world.shop.pk}")

    assert [each["name"] for each in services] == ["echo"]
    assert status == 403


def test_r21_limits_count_at_the_next_request(world, api):
    sam = world.people["superuser"]
    seat = membership_of(world, "engineer")

    before, _ = api("engineer", "GET", f"/api/service/{world.shop.pk}")
    limit_services(sam, membership=seat, limited=True, services={}, now=NOW)
    after, _ = api("engineer", "GET", f"/api/service/{world.shop.pk}")

    assert (before, after) == (200, 403)


def test_r22_the_last_superuser_can_be_neither_demoted_nor_removed(world):
    sam = world.people["superuser"]
    seat = membership_of(world, "superuser")
    before = digest_of_everything()

    with pytest.raises(LastSuperuser):
        change_role(sam, membership=seat, role="engineer", now=NOW)
    with pytest.raises(LastSuperuser):
        remove_member(sam, membership=seat, now=NOW)

    assert digest_of_everything() == before


def test_r22_one_person_has_a_role_in_each_of_their_accounts(world):
    una = world.person("user")
    Membership.objects.create(
        account=world.globex,
        user=una,
        role="superuser",
        created_at=NOW,
        updated_at=NOW,
    )

    may = {
        account.name: decide(
            actor_for(una, account), Permission.PRODUCT_ENABLE, account
        ).allowed
        for account in (world.acme, world.globex)
    }

    assert may == {"Acme": False, "Globex": True}


def test_r23_who_did_what_when_from_where_to_what_with_which_token(world, api):
    api("engineer", "POST", f"/api/service/{world.shop.pk}/version")

    event = AuditEvent.objects.filter(account_id=world.acme.pk).latest("sequence")
    body = event.body
    assert (event.action, event.actor_type, event.outcome) == (
        "version.created",
        "token",
        "done",
    )
    assert event.actor_label == "Eve (Eve's key)"
    assert body["on_behalf_of"] == world.people["engineer"].user_id
    assert (event.interface, event.service_id) == ("api", world.shop.pk)
    assert event.target_label == "shop version 3"
    assert set(body["pii"]) >= {"ip", "email"}
    assert event.request_id
    assert verify(world.acme.pk).is_valid


def test_r23_superusers_read_the_trail_through_the_api_and_others_do_not(world, api):
    answers = {
        person: api(person, "GET", "/api/events")[0]
        for person in ("superuser", "engineer", "billing", "user", "non_member")
    }

    assert answers == {
        "superuser": 200,
        "engineer": 403,
        "billing": 403,
        "user": 403,
        "non_member": 200,
    }
    _, of_acme = api("superuser", "GET", "/api/events")
    _, of_globex = api("non_member", "GET", "/api/events")
    assert {each["attributes"]["customer_id"] for each in of_acme["data"]} == {
        world.acme.pk
    }
    assert world.acme.pk not in str(of_globex)


def test_r23_product_purchases_are_in_it(world, api):
    _, answer = api("superuser", "GET", "/api/events")

    kinds = {each["attributes"]["event_type"] for each in answer["data"]}
    assert {"customer_feature.create", "customer.pricing"} <= kinds
