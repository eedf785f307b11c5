"""Queries whose SQL is composed once: each call has its own values."""

from contextlib import nullcontext
from datetime import timedelta

import pytest
from django.db import OperationalError, connection, transaction
from django.db.models import F, Q

from accounts.models import ApiToken, Membership
from accounts.prepared import (
    MAX_LIST_LENGTH,
    ComposedQuery,
    MissingParameter,
    PreparedObjects,
    PreparedQuery,
    columns_of,
    loaded,
)
from tests.factories.accounts import AccountFactory, MembershipFactory
from tests.factories.keys import key_of
from tests.factories.world import actor_for

pytestmark = pytest.mark.django_db


@pytest.fixture
def roles():
    return PreparedQuery(
        lambda account_ids, role: (
            Membership.objects.filter(Q(account__in=account_ids), role=role)
            .order_by("pk")
            .values_list("pk")
        )
    )


def test_the_values_are_those_of_each_call(roles):
    first = MembershipFactory.create(role="engineer")
    second = MembershipFactory.create(role="engineer")
    other = MembershipFactory.create(role="billing", account=first.account)

    assert roles.rows([first.account_id], "engineer") == [(first.pk,)]
    assert roles.rows([second.account_id], "engineer") == [(second.pk,)]
    assert roles.rows([first.account_id], "billing") == [(other.pk,)]


@pytest.mark.parametrize("length", [0, 1, 2, 3, 5, MAX_LIST_LENGTH, 100])
def test_a_list_can_have_any_length(roles, length, django_assert_num_queries):
    accounts = AccountFactory.create_batch(length)
    found = [MembershipFactory.create(account=each, role="user") for each in accounts]
    MembershipFactory.create(role="user")

    with django_assert_num_queries(1 if length else 0):
        rows = roles.rows([each.pk for each in accounts], "user")

    assert sorted(rows) == sorted((each.pk,) for each in found)


def test_a_query_that_drops_a_parameter_is_refused():
    query = PreparedQuery(lambda _ignored: Membership.objects.values_list("pk"))

    with pytest.raises(MissingParameter):
        query.rows("x")


def test_a_row_is_loaded_with_the_types_of_its_columns():
    member = MembershipFactory.create()
    key_of(actor_for(member.user, member.account), services=("a", "b"))
    token = ApiToken.objects.get()
    query = PreparedQuery(
        lambda pk: ApiToken.objects.filter(pk=pk).values_list(*columns_of(ApiToken))
    )

    found = loaded(ApiToken, query.first(token.pk))

    assert found == token
    assert found.services == ["a", "b"]
    assert found.created_at == token.created_at
    assert not found._state.adding


def test_a_frequent_query_keeps_its_plan_on_postgresql(roles):
    member = MembershipFactory.create(role="engineer")
    calls = connection.settings_dict["OPTIONS"].get("prepare_threshold", 5) + 1

    for _ in range(calls):
        assert roles.rows([member.account_id], "engineer") == [(member.pk,)]

    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT custom_plans + generic_plans FROM pg_prepared_statements"
            )
            assert cursor.fetchall() == [(1,)]


def set_length(length):
    """Alter a column, unnoticed by psycopg as if in another connection; SQLite has no lengths."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(
                "DO $$ BEGIN ALTER TABLE accounts_membership"
                f" ALTER role TYPE varchar({length}); END $$"
            )


@pytest.mark.django_db(transaction=True)
def test_a_migration_can_alter_a_column_meanwhile():
    member = MembershipFactory.create(role="engineer")
    keeps_plans = connection.vendor == "postgresql"
    query = PreparedQuery(
        lambda pk: Membership.objects.filter(pk=pk).values_list("role")
    )
    found = [("engineer",)]
    assert query.rows(member.pk) == found

    try:
        set_length(100)
        assert query.rows(member.pk) == found

        # A transaction has failed and can be repeated.
        set_length(101)
        with (
            pytest.raises(OperationalError) if keeps_plans else nullcontext(),
            transaction.atomic(),
        ):
            query.rows(member.pk)
        assert query.rows(member.pk) == found
    finally:
        set_length(Membership._meta.get_field("role").max_length)


def test_times_are_parameters(django_assert_num_queries):
    first, second = MembershipFactory.create_batch(2)
    Membership.objects.filter(pk=second.pk).update(
        created_at=first.created_at + timedelta(microseconds=1)
    )
    query = ComposedQuery(
        lambda before, among: Membership.objects.filter(
            created_at__lt=before, created_at__in=among
        ).values_list("pk")
    )
    since = first.created_at + timedelta(microseconds=1)

    with django_assert_num_queries(2):
        assert query.rows(since, [first.created_at, since]) == [(first.pk,)]
        assert query.rows(first.created_at, [first.created_at, since]) == []


def test_objects_have_their_related_ones_and_annotations(django_assert_num_queries):
    member = MembershipFactory.create()
    query = PreparedObjects(
        lambda user_id: (
            Membership.objects.filter(user_id=user_id)
            .select_related("account")
            .annotate(shown=F("user__email"))
        )
    )
    query.objects("")

    with django_assert_num_queries(1):
        (found,) = query.objects(member.user_id)
        name = found.account.name

    assert found == member
    assert (name, found.shown) == (member.account.name, member.user.email)
    assert found.created_at == member.created_at
