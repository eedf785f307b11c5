"""How many queries the pages take that show usage and costs: each fact is read once."""

import pytest

from tests.products.web.conftest import queries_of


@pytest.mark.parametrize(
    ("page", "queries"),
    [("/", 36), ("/products/", 30), ("/usage/", 21), ("/billing/", 30)],
)
def test_a_page_takes_a_constant_number_of_queries(
    browser, sam, switched_on, page, queries
):
    assert queries_of(browser(sam), page) == queries
