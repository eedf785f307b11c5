"""Services, versions and their parts."""

from typing import Any

import factory
from django.db.models import QuerySet
from factory.django import DjangoModelFactory

from products.services.kinds import KINDS
from products.services.models import Item, Part, Service, Version
from tests.factories import NOW
from tests.factories.accounts import AccountFactory
from tests.factories.domains import claim_unless_claimed


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


class PartFactory(DjangoModelFactory[Part]):
    """A part; what is not a column of the table goes into its values."""

    class Meta:
        model = Part

    version = factory.SubFactory(VersionFactory)
    position = factory.Sequence(lambda number: number)
    created_at = NOW
    updated_at = NOW

    @classmethod
    def _create(cls, model_class: type[Part], *_args: Any, **given: Any) -> Part:
        return model_class._default_manager.create(**_columns(given))

    @classmethod
    def _build(cls, model_class: type[Part], *_args: Any, **given: Any) -> Part:
        return model_class(**_columns(given))


COLUMNS = {"version", "name", "position", "public_id", "created_at", "updated_at"}


def _columns(given: dict[str, Any]) -> dict[str, Any]:
    kind = KINDS[given.pop("kind")]
    values = {name: given.pop(name) for name in set(given) - COLUMNS}
    place = {"kind": kind.segment, "namespace": kind.namespace}
    return given | place | {"values": values}


class ItemFactory(DjangoModelFactory[Item]):
    """What hangs beneath a part."""

    class Meta:
        model = Item

    created_at = NOW
    updated_at = NOW


class DomainFactory(PartFactory):
    """A host name."""

    kind = "domain"
    name = factory.Sequence(lambda number: f"www{number}.example.com")

    @classmethod
    def _create(cls, model_class: type[Part], *args: Any, **fields: Any) -> Part:
        row = super()._create(model_class, *args, **fields)
        if row.version.active:  # as activation would
            claim_unless_claimed(row.version.service.account, row.name)
        return row


class BackendFactory(PartFactory):
    """An origin with TLS; everything else has Fastly's defaults."""

    kind = "backend"
    name = factory.Sequence(lambda number: f"origin-{number}")
    address = "origin.example.com"
    port = 443
    use_ssl = True


class HeaderFactory(PartFactory):
    """A rule that sets a request header."""

    kind = "header"
    name = factory.Sequence(lambda number: f"header-{number}")
    action = "set"
    type = "request"
    dst = "http.X-Tenant"
    src = '"acme"'


class SnippetFactory(PartFactory):
    """A recv snippet that upgrades WebSockets."""

    kind = "snippet"
    name = factory.Sequence(lambda number: f"snippet-{number}")
    type = "recv"
    content = "if (req.http.Upgrade) { return(upgrade); }"


class VclFactory(PartFactory):
    """A VCL file that does nothing."""

    kind = "vcl"
    name = factory.Sequence(lambda number: f"file-{number}")
    content = "sub vcl_recv { }"


class LogEndpointFactory(PartFactory):
    """An https log endpoint."""

    kind = "logging/https"
    name = factory.Sequence(lambda number: f"log-{number}")
    url = "https://logs.example.com/in"


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


def parts(kind: str, **columns: object) -> "QuerySet[Part]":
    """Return the parts of a kind."""
    return Part.objects.filter(kind=kind, **columns).order_by("position", "pk")


def set_values(rows: "QuerySet[Part]", **values: object) -> None:
    """Change values of parts without a command."""
    for row in rows:
        Part.objects.filter(pk=row.pk).update(values=row.values | values)
