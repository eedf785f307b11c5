"""What differs between two versions."""

import pytest

from products.services.comparison import FieldChange, compare
from tests.factories.services import (
    BackendFactory,
    DomainFactory,
    HeaderFactory,
    LogEndpointFactory,
    SnippetFactory,
    VclFactory,
    VersionFactory,
)


@pytest.fixture
def old(shop):
    """Return a version."""
    return VersionFactory.create(service=shop, number=1)


@pytest.fixture
def new(shop):
    """Return the version after it."""
    return VersionFactory.create(service=shop, number=2)


def test_versions_that_hold_the_same_do_not_differ(old, new):
    for version in (old, new):
        DomainFactory.create(version=version, name="a.example.com")
        LogEndpointFactory.create(version=version, name="lines", format="%{Host}i")

    assert compare(old, new).fields == ()
    assert compare(old, old).fields == ()
    assert compare(old, new).unchanged == 2


def test_a_changed_part_gives_its_changed_fields(old, new):
    BackendFactory.create(version=old, name="origin", address="a.example.com", weight=5)
    BackendFactory.create(
        version=new, name="origin", address="b.example.com", shield="fra"
    )

    assert compare(old, new).fields == (
        FieldChange("backend", "origin", "address", "a.example.com", "b.example.com"),
        FieldChange("backend", "origin", "shield", None, "fra"),
        FieldChange("backend", "origin", "weight", 5, 100),
    )


def test_a_part_that_came_or_went_gives_what_is_not_at_its_default(old, new):
    DomainFactory.create(version=old, name="a.example.com")
    BackendFactory.create(version=new, name="origin", port=80, use_ssl=False, weight=50)

    assert compare(old, new).fields == (
        FieldChange("domain", "a.example.com", "name", "a.example.com", None),
        FieldChange("backend", "origin", "name", None, "origin"),
        FieldChange("backend", "origin", "address", None, "origin.example.com"),
        FieldChange("backend", "origin", "weight", None, 50),
    )


def test_a_renamed_part_went_and_came(old, new):
    VclFactory.create(version=old, name="one", content="x")
    VclFactory.create(version=new, name="two", content="x")

    assert compare(old, new).fields == (
        FieldChange("vcl", "one", "name", "one", None),
        FieldChange("vcl", "one", "content", "x", None),
        FieldChange("vcl", "two", "name", None, "two"),
        FieldChange("vcl", "two", "content", None, "x"),
    )


@pytest.mark.parametrize(
    ("before", "after", "shown"),
    [
        ("key one", "key two", ("set", "changed")),
        (None, "key two", (None, "set")),
        ("key one", None, ("set", None)),
    ],
)
def test_a_key_is_never_shown(before, after, shown, old, new):
    BackendFactory.create(version=old, name="origin", ssl_client_key=before)
    BackendFactory.create(version=new, name="origin", ssl_client_key=after)

    assert compare(old, new).fields == (
        FieldChange("backend", "origin", "ssl_client_key", *shown),
    )


def test_a_key_of_a_part_that_came_is_not_shown(old, new):
    BackendFactory.create(version=new, name="origin", ssl_client_key="the key")

    found = compare(old, new).fields

    assert FieldChange("backend", "origin", "ssl_client_key", None, "set") in found
    assert "the key" not in repr(found)


def test_kinds_and_names_come_in_a_fixed_order(old, new):
    SnippetFactory.create(version=new, name="s", type="recv", content="x")
    HeaderFactory.create(version=new, name="h")
    DomainFactory.create(version=new, name="b.example.com")
    DomainFactory.create(version=new, name="a.example.com")

    named = [(each.kind, each.name) for each in compare(old, new).fields]

    assert list(dict.fromkeys(named)) == [
        ("domain", "a.example.com"),
        ("domain", "b.example.com"),
        ("header", "h"),
        ("snippet", "s"),
    ]


def test_comparing_takes_one_query(old, new, django_assert_num_queries):
    BackendFactory.create_batch(10, version=old)
    DomainFactory.create_batch(10, version=new)

    with django_assert_num_queries(1):
        compare(old, new)
