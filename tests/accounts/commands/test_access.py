"""Access limited to chosen services, each with a level (R21)."""

import pytest

from accounts.commands.members import (
    MemberService,
    grant_services,
    limit_services,
    revoke_services,
)
from accounts.commands.service_access import levels_in_account
from accounts.errors import Invalid, NotFound
from accounts.policy import decide
from accounts.roles import AccessLevel, Permission
from accounts.service_access import levels_of
from tests.factories.accounts import (
    MembershipFactory,
    give_access,
)
from tests.factories.services import ServiceFactory


@pytest.fixture
def blog(acme):
    return ServiceFactory.create(account=acme, name="blog")


def test_access_is_limited_to_chosen_services_in_one_change(
    acme, sam, eve, shop, blog, membership, now, noted, last_body
):
    limit_services(
        sam,
        membership=membership(eve),
        limited=True,
        services={shop.pk: AccessLevel.FULL, blog.pk: AccessLevel.READ_ONLY},
        now=now,
    )

    assert levels_of(eve.user_id) == {
        shop.pk: AccessLevel.FULL,
        blog.pk: "read_only",
    }
    assert decide(eve, Permission.SERVICE_DEPLOY, shop).allowed is True
    assert decide(eve, Permission.SERVICE_DEPLOY, blog).code == "service_access"
    assert noted(acme) == ["member.access_limited"]
    assert last_body(acme)["before"] == {"services": "all services"}
    assert last_body(acme)["after"] == {
        "services": "chosen services",
        shop.pk: "full",
        blog.pk: "read_only",
    }


def test_limiting_again_replaces_the_whole_set(sam, lin, shop, blog, membership, now):
    limit_services(
        sam,
        membership=membership(lin),
        limited=True,
        services={blog.pk: AccessLevel.PURGE_ALL},
        now=now,
    )

    assert levels_of(lin.user_id) == {blog.pk: AccessLevel.PURGE_ALL}


def test_access_to_all_services_removes_the_levels(
    acme, sam, lin, blog, membership, now, noted
):
    limit_services(sam, membership=membership(lin), limited=False, services={}, now=now)

    assert levels_of(lin.user_id) == {}
    assert decide(lin, Permission.SERVICE_DEPLOY, blog).allowed is True
    assert noted(acme) == ["member.access_unlimited"]


def test_the_same_access_is_no_change(acme, sam, lin, shop, membership, now, noted):
    same = {shop.pk: AccessLevel.FULL}

    limit_services(
        sam, membership=membership(lin), limited=True, services=same, now=now
    )

    assert noted(acme) == []


def test_levels_in_another_account_are_kept(globex, sam, lin, membership, now):
    user = membership(lin).user
    MembershipFactory.create(account=globex, user=user, limit_services=True)
    foreign = ServiceFactory.create(account=globex, name="foreign")
    give_access(user, foreign)

    limit_services(sam, membership=membership(lin), limited=True, services={}, now=now)

    assert levels_of(lin.user_id) == {foreign.pk: AccessLevel.FULL}


def test_a_billing_member_cannot_be_limited_to_services(
    acme, sam, bo, shop, membership, now, noted
):
    with pytest.raises(Invalid) as refusal:
        limit_services(
            sam,
            membership=membership(bo),
            limited=True,
            services={shop.pk: AccessLevel.FULL},
            now=now,
        )

    assert refusal.value.field == "limited"
    assert levels_of(bo.user_id) == {}
    assert noted(acme) == []


def test_services_without_a_limit_are_refused(sam, eve, shop, membership, now):
    with pytest.raises(Invalid) as refusal:
        limit_services(
            sam,
            membership=membership(eve),
            limited=False,
            services={shop.pk: AccessLevel.FULL},
            now=now,
        )

    assert refusal.value.field == "services"


def test_a_service_of_another_account_is_not_found(
    acme, globex, sam, eve, membership, now
):
    foreign = ServiceFactory.create(account=globex, name="foreign")

    with pytest.raises(NotFound):
        limit_services(
            sam,
            membership=membership(eve),
            limited=True,
            services={foreign.pk: AccessLevel.FULL},
            now=now,
        )
    with pytest.raises(NotFound):
        grant_services(
            sam,
            account=acme,
            levels={MemberService(membership(eve), foreign.pk): AccessLevel.FULL},
            now=now,
        )

    assert membership(eve).limit_services is False
    assert levels_of(eve.user_id) == {}


def test_a_level_is_given_changed_and_removed(
    acme, sam, eve, shop, membership, now, noted
):
    eve_in_acme = membership(eve)
    place = MemberService(eve_in_acme, shop.pk)

    for level in (AccessLevel.READ_ONLY, AccessLevel.READ_ONLY, AccessLevel.FULL):
        grant_services(sam, account=acme, levels={place: level}, now=now)
    assert levels_in_account(eve_in_acme) == {shop.pk: AccessLevel.FULL}
    revoke_services(sam, account=acme, held=[place], now=now)

    assert levels_in_account(eve_in_acme) == {}
    assert noted(acme) == [
        "service_access.granted",
        "service_access.changed",
        "service_access.revoked",
    ]


def test_a_level_that_the_member_does_not_have_cannot_be_removed(
    acme, sam, eve, shop, membership, now, noted
):
    with pytest.raises(NotFound):
        revoke_services(
            sam,
            account=acme,
            held=[MemberService(membership(eve), shop.pk)],
            now=now,
        )

    assert noted(acme) == []


def test_of_several_members_access_is_changed_for_all_or_none(
    acme, globex, sam, eve, una, stan, shop, membership, now, noted
):
    places = [MemberService(membership(each), shop.pk) for each in (una, eve)]
    foreign = MemberService(membership(stan), shop.pk)
    both = dict.fromkeys(places, AccessLevel.FULL)

    with pytest.raises(NotFound):
        grant_services(
            sam, account=acme, levels=both | {foreign: AccessLevel.FULL}, now=now
        )
    assert noted(acme) == []
    grant_services(sam, account=acme, levels=both, now=now)
    with pytest.raises(NotFound):
        revoke_services(sam, account=acme, held=[*places, foreign], now=now)
    revoke_services(sam, account=acme, held=places, now=now)

    assert (
        noted(acme) == ["service_access.granted"] * 2 + ["service_access.revoked"] * 2
    )
