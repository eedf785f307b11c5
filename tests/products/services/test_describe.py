"""A version's rows as the rules read them."""

from products.compatibility.version_config import (
    BackendConfig,
    DomainConfig,
    HeaderConfig,
    SnippetConfig,
    VclConfig,
    VersionConfig,
)
from products.services.describe import version_config, with_parts
from products.services.models import Version
from tests.factories.services import (
    BackendFactory,
    DomainFactory,
    HeaderFactory,
    LogEndpointFactory,
    SnippetFactory,
    VclFactory,
    VersionFactory,
)


def test_an_empty_version_is_described_as_empty(shop):
    assert version_config(
        VersionFactory.create(service=shop, number=9)
    ) == VersionConfig(number=9)


def test_every_part_is_described(shop):
    version = VersionFactory.create(service=shop, number=2)
    DomainFactory.create(version=version, name="a.example.com")
    BackendFactory.create(version=version, name="zulu", shield="fra", comment="First")
    BackendFactory.create(version=version, name="alpha", ssl_client_key="the key")
    HeaderFactory.create(version=version, name="tenant", priority=5)
    SnippetFactory.create(version=version, name="up", content="return(upgrade);")
    VclFactory.create(version=version, name="main", content="sub vcl_recv { }")
    LogEndpointFactory.create(version=version, name="lines")
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
        log_endpoints=("lines",),
    )


def test_a_backend_left_at_its_defaults_is_described_at_its_defaults(shop):
    version = VersionFactory.create(service=shop)
    BackendFactory.create(
        version=version, name="a", address="b", port=80, use_ssl=False
    )

    assert version_config(version).backends == (BackendConfig(name="a", address="b"),)


def test_describing_asks_six_queries_whatever_the_version_holds(
    shop, django_assert_num_queries
):
    version = VersionFactory.create(service=shop)
    BackendFactory.create_batch(10, version=version)
    HeaderFactory.create_batch(10, version=version)

    with django_assert_num_queries(6):
        version_config(version)


def test_many_versions_are_described_in_seven_queries(shop, django_assert_num_queries):
    for number in range(1, 6):
        version = VersionFactory.create(service=shop, number=number)
        BackendFactory.create_batch(2, version=version)

    with django_assert_num_queries(7):
        described = [version_config(each) for each in with_parts(Version.objects.all())]

    assert [len(each.backends) for each in described] == [2] * 5
