"""Names as sets, and the names that no account can own."""

import pytest

from products.domains.names import (
    names_above,
    overlaps,
    ownership_problem,
    registrable_name,
)

PLATFORM = ("portal.tollgate.net", "edge.tollgate.net", "localhost")


@pytest.mark.parametrize(
    "domain, expected",
    [
        ("shop.acme.com", "acme.com"),
        ("*.shop.acme.co.uk", "acme.co.uk"),
        ("acme.github.io", "acme.github.io"),  # the private section of the list
        ("echo.localhost", "echo.localhost"),
        ("github.io", ""),
        ("co.uk", ""),
        ("com", ""),
        ("localhost", ""),
    ],
)
def test_the_registrable_name_is_the_public_suffix_and_one_label(domain, expected):
    assert registrable_name(domain) == expected


@pytest.mark.parametrize(
    "one, other, expected",
    [
        ("acme.com", "acme.com", True),
        ("acme.com", "shop.acme.com", True),
        ("shop.acme.com", "acme.com", True),
        ("shop.acme.com", "eu.acme.com", False),
        ("notacme.com", "acme.com", False),
    ],
)
def test_names_overlap_if_they_are_equal_or_one_is_below_the_other(
    one, other, expected
):
    assert overlaps(one, other) is expected


def test_the_names_above_a_name_begin_with_itself():
    assert names_above("a.shop.com") == ("a.shop.com", "shop.com", "com")


@pytest.mark.parametrize(
    "name",
    [
        "com",
        "co.uk",
        "github.io",
        "localhost",
        "intranet",
        "10.0.0.1",
        "a..com",
        "a_b.com",
        "portal.tollgate.net",
        "tollgate.net",
        "x.edge.tollgate.net",
    ],
)
def test_no_account_can_own_suffixes_labels_and_the_platforms_names(name):
    problems = [
        ownership_problem(name, platform=PLATFORM, allow_special_use=allowed)
        for allowed in (False, True)
    ]

    assert all(problems)


@pytest.mark.parametrize(
    "name",
    ["echo.localhost", "shop.test", "shop.local", "shop.internal", "a.b.example"],
)
def test_special_use_names_need_a_platform_without_verification(name):
    assert ownership_problem(name, platform=PLATFORM, allow_special_use=False)
    assert not ownership_problem(name, platform=PLATFORM, allow_special_use=True)


@pytest.mark.parametrize("name", ["acme.com", "shop.acme.com", "acme.github.io"])
def test_other_names_can_be_owned(name):
    assert not ownership_problem(name, platform=PLATFORM, allow_special_use=False)
