"""The policy's answers, one by one: each with its code, its reason and what would help."""

from dataclasses import replace

import pytest

from accounts.actor import Actor, ActorType, TokenScope
from accounts.errors import Forbidden
from accounts.models import Account, Membership, User
from accounts.policy import (
    PLATFORM,
    AccountSuspended,
    OwnLogin,
    decide,
    explain,
    load_access,
    members_with,
    require,
)
from accounts.queries import account_of
from accounts.roles import AccessLevel, Permission, Role
from tests.factories.accounts import actor_for, give_access, member
from tests.factories.services import ServiceFactory

ALL_FIVE = ["token_scope", "token_services", "role", "service_access", "suspension"]


@pytest.fixture
def blog(acme):
    return ServiceFactory.create(account=acme, name="blog")


def refused(answers):
    return [str(answer.code) for answer in answers if not answer.allowed]


def test_a_member_gets_five_answers_in_one_order(eve, shop):
    answers = explain(eve, Permission.SERVICE_DEPLOY, shop)

    assert [answer.code for answer in answers] == ALL_FIVE
    assert refused(answers) == []


def test_every_refusal_is_explained_and_the_first_one_decides(una, acme, shop, blog):
    Account.objects.filter(pk=acme.pk).update(
        suspended_at="2026-11-22T12:00Z", suspension_reason="Unpaid"
    )
    Membership.objects.filter(user_id=una.user_id).update(limit_services=True)
    token = replace(
        una,
        type=ActorType.TOKEN,
        token_scope=TokenScope.GLOBAL_READ,
        token_services=frozenset({blog.pk}),
    )

    answers = explain(token, Permission.SERVICE_DEPLOY, shop)

    assert refused(answers) == ALL_FIVE
    assert all(answer.reason and answer.remedy for answer in answers)
    assert decide(token, Permission.SERVICE_DEPLOY, shop) == answers[0]


def test_a_refusal_names_what_a_token_for_some_services_cannot_do_in_the_account(
    sam, acme, shop
):
    token = replace(
        sam, token_scope=TokenScope.GLOBAL, token_services=frozenset({shop.pk})
    )

    refusal = decide(token, Permission.SERVICE_CREATE, acme)

    assert (refusal.reason, refusal.remedy) == (
        "This token is limited to some services; it cannot create services.",
        "Use a token without a list of services.",
    )


def test_only_a_suspension_is_refused_as_one(sam, una, acme):
    Account.objects.filter(pk=acme.pk).update(
        suspended_at="2026-11-22T12:00Z", suspension_reason="Unpaid."
    )

    with pytest.raises(AccountSuspended, match=r"^Acme is suspended: Unpaid\.$"):
        require(sam, Permission.PRODUCT_ENABLE, acme)
    with pytest.raises(Forbidden, match="Your role is user") as refused:
        require(una, Permission.PRODUCT_ENABLE, acme)
    assert refused.value.code == "forbidden"


def test_a_consent_has_neither_a_reason_nor_a_remedy(eve, shop):
    answers = explain(eve, Permission.SERVICE_DEPLOY, shop)

    assert {(answer.reason, answer.remedy) for answer in answers} == {("", "")}


def test_a_non_member_gets_one_answer(stan, shop):
    (answer,) = explain(stan, Permission.SERVICE_DEPLOY, shop)

    assert answer.is_non_member
    assert not answer.allowed


def test_a_system_job_may_do_only_what_is_listed():
    job = Actor.system("load-catalogue")

    (answer,) = explain(job, Permission.MEMBER_MANAGE, PLATFORM)

    assert (answer.allowed, answer.code) == (False, "not_listed")
    assert not answer.is_non_member
    assert decide(job, Permission.CATALOGUE_MANAGE, PLATFORM).allowed


def test_the_account_of_a_member_is_read_with_their_access(
    sam, acme, django_assert_num_queries
):
    with django_assert_num_queries(1):
        account = account_of(sam)

    assert account == acme
    assert account.created_at == acme.created_at


def test_access_is_read_once_for_many_questions(
    lin, shop, blog, django_assert_num_queries
):
    with django_assert_num_queries(1):
        access = load_access(lin, lin.account_id)
        answers = [
            access.decide(Permission.SERVICE_CONFIGURE, service.pk).code
            for service in (shop, blog)
        ]

    assert answers == ["allowed", "service_access"]
    assert access.role is Role.ENGINEER


def deactivate(actor):
    User.objects.filter(pk=actor.user_id).update(is_active=False)


def test_an_inactive_member_is_treated_as_a_non_member(eve, acme, shop):
    own = OwnLogin(eve.user_id, acme.pk)
    deactivate(eve)

    assert decide(eve, Permission.SERVICE_READ, shop).is_non_member
    assert decide(eve, Permission.LOGIN_OWN, own).is_non_member
    assert not members_with(Permission.SERVICE_DEPLOY, acme.pk).exists()


def test_an_inactive_member_of_staff_may_do_nothing(ada):
    assert decide(ada, Permission.CATALOGUE_MANAGE, PLATFORM).allowed

    deactivate(ada)

    assert decide(ada, Permission.CATALOGUE_MANAGE, PLATFORM).code == "not_listed"


@pytest.mark.parametrize("role", [Role.BILLING, Role.SUPERUSER])
def test_a_limit_to_services_has_no_effect_on_a_role_that_cannot_be_limited(
    lin, blog, role
):
    assert decide(lin, Permission.SERVICE_READ, blog).code == "service_access"

    Membership.objects.filter(user_id=lin.user_id).update(role=role)

    assert decide(lin, Permission.SERVICE_READ, blog).allowed


@pytest.mark.parametrize(
    "level", [AccessLevel.READ_ONLY, AccessLevel.PURGE_SELECT, AccessLevel.PURGE_ALL]
)
@pytest.mark.parametrize(
    "permission",
    [
        Permission.SERVICE_COMPARE,
        Permission.SERVICE_CONFIGURE,
        Permission.SERVICE_DEPLOY,
        Permission.SERVICE_VCL,
    ],
)
def test_only_full_access_compares_configures_deploys_and_shows_vcl(
    acme, shop, level, permission
):
    user = member(acme, "Rea", Role.ENGINEER, limit_services=True)
    give_access(user, shop, level)
    rea = actor_for(user, acme)

    assert decide(rea, permission, shop).code == "service_access"
    assert decide(rea, Permission.SERVICE_READ, shop).allowed
