"""Queries whose SQL is composed once: each call has its own values."""

from contextlib import nullcontext
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from django.core.exceptions import EmptyResultSet
from django.db import OperationalError, connection, transaction
from django.db.models import BigIntegerField, Exists, F, OuterRef, Q, Value
from django.db.transaction import TransactionManagementError
from hypothesis import given
from hypothesis import strategies as st

from accounts.models import Account, ApiToken, Membership, User
from accounts.prepared import (
    MAX_LIST_LENGTH,
    ComposedQuery,
    MissingParameter,
    PreparedQuery,
    columns_of,
    loaded,
)
from tests.factories import NOW
from tests.factories.accounts import AccountFactory, MembershipFactory
from tests.factories.keys import key_of
from tests.factories.rolled_back import rolled_back
from tests.factories.world import actor_for
from tests.products.one_database import ONE_DATABASE

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


@pytest.mark.parametrize(
    "compose",
    [
        pytest.param(lambda text, _n, _at: Q(email__icontains=text), id="contains"),
        pytest.param(lambda text, _n, _at: Q(email=text.lower()), id="small_letters"),
        pytest.param(lambda text, _n, _at: Q(email=text.upper()), id="capitals"),
        pytest.param(lambda text, _n, _at: Q(email=text.strip()), id="trimmed"),
        pytest.param(lambda text, _n, _at: Q(email=text[:3]), id="cut"),
        pytest.param(lambda _text, number, _at: Q(logins__lt=number + 1), id="sum"),
        pytest.param(
            lambda _text, number, _at: Q(logins__lt=number - 1), id="difference"
        ),
        pytest.param(
            lambda _text, _n, at: Q(created_at__lt=at + timedelta(microseconds=1)),
            id="time",
        ),
        pytest.param(lambda _text, _n, at: Q(created_at__date=at.date()), id="date"),
        pytest.param(lambda _text, _n, at: Q(email=str(at.year)), id="year"),
    ],
)
def test_a_query_with_something_computed_from_a_parameter_is_refused(compose):
    query = PreparedQuery(
        lambda text, number, at, other, until: (
            User.objects.annotate(logins=Value(1), n=Value(2))
            .filter(compose(text, number, at))
            .filter(pk=text, n__in=[number, other], created_at__range=(at, until))
            .values_list("pk")
        )
    )

    with pytest.raises(MissingParameter):
        query.rows("x", 5, NOW, 6, NOW)


def test_a_query_that_matches_nothing_with_the_markers_is_refused():
    # As on PostgreSQL a column of small numbers, which cannot have the marker of a number.
    query = PreparedQuery(lambda pk: Membership.objects.filter(pk=pk).none())

    with pytest.raises(EmptyResultSet):
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


def test_a_frequent_query_keeps_one_plan_on_postgresql():
    member = MembershipFactory.create(role="engineer")
    query = PreparedQuery(
        lambda numbers, pk: (
            Membership.objects.annotate(number=Value(70_000, BigIntegerField()))
            .filter(number__in=numbers, pk=pk)
            .values_list("role")
        )
    )
    calls = connection.settings_dict["OPTIONS"].get("prepare_threshold", 5) + 1

    for _ in range(calls):
        assert query.rows([1, 70_000], member.pk) == [("engineer",)]
        assert query.rows([70_000, 2**40], member.pk) == [("engineer",)]

    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_prepared_statements")
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
    query = PreparedQuery(
        lambda user_id: (
            Membership.objects.filter(user_id=user_id)
            .select_related("account")
            .annotate(shown=F("user__email"))
        )
    )
    query.rows("")

    with django_assert_num_queries(1):
        (found,) = query.rows(member.user_id)
        name = found.account.name

    assert found == member
    assert (name, found.shown) == (member.account.name, member.user.email)
    assert found.created_at == member.created_at


@pytest.mark.django_db(transaction=True)
def test_rows_are_locked_only_in_a_transaction():
    member = MembershipFactory.create()
    locks = connection.features.has_select_for_update
    query = PreparedQuery(
        lambda pk: Membership.objects.select_for_update().filter(pk=pk)
    )

    with transaction.atomic():
        assert query.rows(member.pk) == [member]

    with pytest.raises(TransactionManagementError) if locks else nullcontext():
        query.rows(member.pk)


TEXTS = [
    "",
    "x",
    "ax",
    "a",
    "A",
    "%",
    "a_",
    "'",
    "\\",
    "é",
    "0 Marker 0 ",
    "-1 Marker -1 ",
]
NUMBERS = [-1, 0, 1, 2**15, 2**31, 2**40, 1_500_000_000, 1_498_999_997]
ZONES = [UTC, ZoneInfo("Europe/Berlin"), timezone(timedelta(minutes=-210))]
times = st.builds(
    lambda offset, zone, fold: (
        (datetime(2026, 10, 25, 1, tzinfo=UTC) + timedelta(microseconds=offset))
        .astimezone(zone)
        .replace(fold=fold)
    ),
    st.sampled_from([0, 1, 1_800_000_000, 3_600_000_000]),
    st.sampled_from(ZONES),
    st.sampled_from([0, 1]),
)
texts, numbers = st.sampled_from(TEXTS), st.sampled_from(NUMBERS)


def matching(names, revisions, instants, text, number, since):
    """Compose a query with values of all types in all places."""
    rows = Account.objects.filter(
        Q(name__in=names)
        | Q(routes_revision__in=revisions)
        | Q(created_at__in=instants)
    )
    return (
        rows.exclude(created_at__lt=since, routes_revision=number)
        .annotate(
            text=Value(text),
            number=Value(number, BigIntegerField()),
            since=Value(since),
            is_new=Q(created_at__gte=since),
            is_listed=Q(name__in=names),
            others=Exists(Membership.objects.filter(account=OuterRef("pk"), role=text)),
        )
        .order_by("pk")
    )


MATCHING = PreparedQuery(matching)


def values_of(rows):
    names = ("pk", "text", "number", "since", "is_new", "is_listed", "others")
    return [tuple(getattr(row, name) for name in names) for row in rows]


@ONE_DATABASE
@given(
    rows=st.lists(st.tuples(texts, numbers, times), max_size=5),
    values=st.tuples(
        st.lists(texts, max_size=5) | st.lists(texts, min_size=60, max_size=70),
        st.lists(numbers, max_size=5),
        # In a list, Django takes both times of a repeated hour for the same.
        st.lists(times.map(lambda at: at.astimezone(UTC)), max_size=3),
        texts,
        numbers,
        times,
    ),
)
def test_objects_are_those_of_the_plain_query(rows, values):
    with rolled_back():
        Account.objects.bulk_create(
            Account(name=f"{name}x", routes_revision=revision, created_at=created_at)
            for name, revision, created_at in rows
        )
        found, plain = MATCHING.rows(*values), matching(*values)

        assert found == list(plain)
        assert values_of(found) == values_of(plain)
