"""What a version holds, as the rules and the route table read it."""

import pytest

from products.compatibility.version_config import (
    BackendConfig,
    DomainConfig,
    HeaderConfig,
    LogEndpointConfig,
    MissingPart,
    SnippetConfig,
    VclConfig,
    VersionConfig,
)
from products.services import describe
from products.services.describe import version_config, version_configs
from products.services.kinds import KINDS, REFERENCES
from products.services.kinds.fields import Type
from tests.factories.services import (
    BackendFactory,
    DomainFactory,
    HeaderFactory,
    LogEndpointFactory,
    PartFactory,
    SnippetFactory,
    VclFactory,
    VersionFactory,
)


def test_an_empty_version_is_read_as_empty(shop):
    assert version_config(
        VersionFactory.create(service=shop, number=9)
    ) == VersionConfig(number=9)


def test_every_part_is_read(shop):
    version = VersionFactory.create(service=shop, number=2)
    DomainFactory.create(version=version, name="a.example.com")
    BackendFactory.create(version=version, name="zulu", shield="fra", comment="First")
    BackendFactory.create(version=version, name="alpha", ssl_client_key="the key")
    HeaderFactory.create(version=version, name="tenant", priority=5)
    SnippetFactory.create(version=version, name="up", content="return(upgrade);")
    VclFactory.create(version=version, name="main", content="sub vcl_recv { }")
    LogEndpointFactory.create(version=version, name="lines", format="%{User-Agent}i")
    BackendFactory.create(name="elsewhere")

    assert version_config(version) == VersionConfig(
        number=2,
        domains=(DomainConfig("a.example.com"),),
        backends=(
            BackendConfig(
                name="zulu",
                address="origin.example.com",
                port=443,
                use_ssl=True,
                shield="fra",
            ),
            BackendConfig(
                name="alpha",
                address="origin.example.com",
                port=443,
                use_ssl=True,
                ssl_client_key="set",
            ),
        ),
        headers=(
            HeaderConfig(name="tenant", dst="http.X-Tenant", src='"acme"', priority=5),
        ),
        snippets=(SnippetConfig("up", "recv", "return(upgrade);"),),
        vcls=(VclConfig("main", "sub vcl_recv { }"),),
        log_endpoints=(
            LogEndpointConfig(
                "lines", "https", "https://logs.example.com/in", ("User-Agent",)
            ),
        ),
    )


def test_a_backend_left_at_its_defaults_is_read_at_its_defaults(shop):
    version = VersionFactory.create(service=shop)
    BackendFactory.create(
        version=version, name="a", address="b", port=80, use_ssl=False
    )

    assert version_config(version).backends == (BackendConfig(name="a", address="b"),)


def test_booleans_and_nulls_are_read_as_such(shop):
    version = VersionFactory.create(service=shop)
    BackendFactory.create(version=version, name="a", tcp_keepalive_enable=None)
    BackendFactory.create(version=version, name="b", tcp_keepalive_enable=False)

    backends = version_config(version).backends

    assert [each.tcp_keepalive_enable for each in backends] == [None, False]
    assert [type(each.use_ssl) for each in backends] == [bool, bool]


def test_any_number_of_versions_is_read_in_one_query(shop, django_assert_num_queries):
    versions = [
        VersionFactory.create(service=shop, number=number) for number in range(1, 6)
    ]
    for version in versions:
        BackendFactory.create_batch(version.number, version=version)

    with django_assert_num_queries(1):
        configs = version_configs(versions)

    assert [len(configs[each.pk].backends) for each in versions] == [1, 2, 3, 4, 5]


def test_more_versions_than_a_batch_are_all_read(
    shop, monkeypatch, django_assert_num_queries
):
    monkeypatch.setattr(describe, "BATCH_SIZE", 2)
    versions = [VersionFactory.create(service=shop, number=n) for n in range(1, 6)]
    for version in versions:
        BackendFactory.create(version=version, name=f"origin-{version.number}")

    with django_assert_num_queries(3):
        configs = version_configs(versions)

    found = [configs[each.pk].backends[0].name for each in versions]
    assert found == [f"origin-{number}" for number in range(1, 6)]


def test_no_versions_need_no_query(django_assert_num_queries, db):
    with django_assert_num_queries(0):
        assert version_configs([]) == {}


FIELDS = [(kind, field) for kind, found in REFERENCES.items() for field in found]


@pytest.mark.parametrize(("kind", "field"), FIELDS)
def test_a_part_that_another_names_and_the_version_lacks_is_missing(shop, kind, field):
    version = VersionFactory.create(service=shop)
    of_kind = REFERENCES[kind][field]
    is_list = KINDS[kind].by_name[field].type is Type.LIST
    named = PartFactory.create(
        version=version, kind=kind, name="a", **{field: ["b"] if is_list else "b"}
    )
    before = version_config(version).missing
    PartFactory.create(version=version, kind=of_kind, name="b")

    assert before == (
        MissingPart(
            of_kind=of_kind,
            name="b",
            kind=kind,
            part="a",
            key=named.key,
            field=field,
        ),
    )
    assert version_config(version).missing == ()


def test_a_field_that_was_cleared_names_nothing(shop):
    version = VersionFactory.create(service=shop)
    BackendFactory.create(version=version, request_condition="", healthcheck=None)

    assert version_config(version).missing == ()
