"""Lists on pages: the keyset pages in both directions, and searching."""

import pytest
from django.test import RequestFactory

from accounts.lists import ListForm, names_in_words, page_of, some_of
from accounts.models import Account
from tests.factories.accounts import AccountFactory

pytestmark = pytest.mark.django_db
ORDERS = [("name", "pk"), ("-name", "pk"), ("-created_at", "-pk")]


def pages(order, first="/list/?q=a"):
    """Return the names on each page of two rows, following the links."""
    found, url = [], first
    while url:
        page = page_of(
            RequestFactory().get(url), Account.objects.all(), order=order, size=2
        )
        found.append([row.name for row in page.rows])
        url = page.next_url
    return found


@pytest.fixture
def accounts():
    """Return five accounts, two of one name, all created at one time."""
    return [AccountFactory.create(name=name) for name in "dbbac"]


@pytest.mark.parametrize("order", ORDERS)
def test_pages_have_each_row_once_and_in_order(accounts, order):
    ordered = list(Account.objects.order_by(*order).values_list("name", flat=True))

    assert pages(order) == [ordered[:2], ordered[2:4], ordered[4:]]


@pytest.mark.parametrize("order", ORDERS)
def test_the_previous_page_is_the_one_before(accounts, order):
    rows = Account.objects.all()
    first = page_of(RequestFactory().get("/list/"), rows, order=order, size=2)
    second = page_of(RequestFactory().get(first.next_url), rows, order=order, size=2)
    back = page_of(RequestFactory().get(second.previous_url), rows, order=order, size=2)

    assert (first.previous_url, back.previous_url) == ("", "")
    assert back.rows == first.rows
    assert back.next_url == first.next_url


@pytest.mark.parametrize("cursor", ["gone", "x" * 300])
def test_a_row_that_is_gone_leads_to_the_first_page(accounts, cursor):
    page = page_of(
        RequestFactory().get(f"/list/?after={cursor}"),
        Account.objects.all(),
        order=("name", "pk"),
        size=2,
    )

    assert [row.name for row in page.rows] == ["a", "b"]
    assert page.previous_url == ""


def test_links_keep_the_search_and_the_other_list(accounts):
    request = RequestFactory().get("/list/?q=a&after=1&others-after=2")

    page = page_of(
        request, Account.objects.all(), order=("name", "pk"), size=2, prefix="others-"
    )

    assert page.total == 5
    last = page.rows[-1].pk
    assert page.next_url == f"/list/?q=a&after=1&others-after={last}"


def test_a_value_that_cannot_be_used_counts_as_none():
    assert ListForm({"q": "x" * 256}).chosen("q") == ""
    assert not ListForm({}).is_used
    assert ListForm({"q": "a"}).is_used


def test_a_sentence_names_the_first_of_many():
    assert some_of(["a", "b"], 2) == ["a", "b"]
    assert some_of([str(n) for n in range(1003)], 2) == ["0", "1", "1,001 more"]
    assert some_of(["a", "b"], total=5) == ["a", "b", "3 more"]


def test_a_sentence_names_fewer_if_the_names_are_long():
    long = ["a" * 300, "b" * 100, "c" * 100, "d"]

    assert some_of(long) == [long[0], "3 more"]
    assert some_of(long[1:]) == [long[1], long[2], "1 more"]


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ([], ""),
        (["Ada"], "Ada"),
        (["Ada", "Lin"], "Ada and Lin"),
        (["Ada", "Lin", "Eve"], "Ada, Lin and 1 more"),
    ],
)
def test_names_are_joined_as_in_a_sentence(names, words):
    assert names_in_words(names, 2) == words
