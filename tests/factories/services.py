"""Services, versions and their parts."""

from typing import TypeVar

import factory
from factory.django import DjangoModelFactory

from products.services.models import (
    Backend,
    Domain,
    Header,
    LogEndpoint,
    Part,
    Service,
    Snippet,
    Vcl,
    Version,
)
from tests.factories import NOW
from tests.factories.accounts import AccountFactory

PartT = TypeVar("PartT", bound=Part)


class ServiceFactory(DjangoModelFactory[Service]):
    """A service without versions."""

    class Meta:
        model = Service

    account = factory.SubFactory(AccountFactory)
    name = factory.Sequence(lambda number: f"service-{number}")
    created_at = NOW
    updated_at = NOW


class VersionFactory(DjangoModelFactory[Version]):
    """An empty draft; its number is 1 by default."""

    class Meta:
        model = Version

    service = factory.SubFactory(ServiceFactory)
    number = 1
    author = "Sam"
    created_at = NOW
    updated_at = NOW

    class Params:
        live = factory.Trait(active=True, locked=True)


class _PartFactory(DjangoModelFactory[PartT]):
    class Meta:
        abstract = True

    version = factory.SubFactory(VersionFactory)
    created_at = NOW
    updated_at = NOW


class DomainFactory(_PartFactory[Domain]):
    """A host name."""

    class Meta:
        model = Domain

    name = factory.Sequence(lambda number: f"www{number}.example.com")


class BackendFactory(_PartFactory[Backend]):
    """An origin with TLS; everything else has Fastly's defaults."""

    class Meta:
        model = Backend

    name = factory.Sequence(lambda number: f"origin-{number}")
    address = "origin.example.com"
    port = 443
    use_ssl = True


class HeaderFactory(_PartFactory[Header]):
    """A rule that sets a request header."""

    class Meta:
        model = Header

    name = factory.Sequence(lambda number: f"header-{number}")
    action = Header.Action.SET
    type = Header.Type.REQUEST
    dst = "http.X-Tenant"
    src = '"acme"'


class SnippetFactory(_PartFactory[Snippet]):
    """A recv snippet that upgrades WebSockets."""

    class Meta:
        model = Snippet

    name = factory.Sequence(lambda number: f"snippet-{number}")
    type = "recv"
    content = "if (req.http.Upgrade) { return(upgrade); }"


class VclFactory(_PartFactory[Vcl]):
    """A VCL file that does nothing."""

    class Meta:
        model = Vcl

    name = factory.Sequence(lambda number: f"file-{number}")
    content = "sub vcl_recv { }"


class LogEndpointFactory(_PartFactory[LogEndpoint]):
    """An https log endpoint."""

    class Meta:
        model = LogEndpoint

    name = factory.Sequence(lambda number: f"log-{number}")
    kind = "https"
    address = "https://logs.example.com/in"


def live_version(service: Service, *domains: str, number: int = 1) -> Version:
    """Create the service's active version, with these domains and one origin."""
    version = VersionFactory.create(service=service, number=number, live=True)
    for name in domains:
        DomainFactory.create(version=version, name=name)
    BackendFactory.create(version=version, name="origin")
    return version


def revision_of(version: Version) -> int:
    """Return a version's saved revision."""
    return Version.objects.get(pk=version.pk).revision
