"""Services, versions and their parts, as far as the actor may see them."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery

from accounts.actor import Actor, ActorType
from accounts.errors import Forbidden, NotFound
from accounts.models import Account
from accounts.policy import ALLOWED, NON_MEMBER, AccountAccess, load_access
from accounts.prepared import PreparedQuery, columns_of, loaded
from accounts.roles import Permission
from products.compatibility.version_config import MissingPart, VersionConfig
from products.services.describe import references_of, version_configs
from products.services.kinds import KINDS, Key
from products.services.models import Item, Part, Service, Version
from products.services.models.service import ServiceQuerySet
from products.services.validation import kind_of

MAX_VERSION_NUMBER: Final = 2**31 - 1


def services_of(actor: Actor) -> ServiceQuerySet:
    """Return the services that the actor may see, by name, with their `active_number` (or None)."""
    return _existing(Service.objects.visible_to(actor))


def services_in(access: AccountAccess) -> ServiceQuerySet:
    """Return `services_of` an actor whose access was read."""
    return _existing(Service.objects.visible_in(access))


def _existing(rows: ServiceQuerySet) -> ServiceQuerySet:
    active = Version.objects.filter(service=OuterRef("pk"), active=True)
    annotated: ServiceQuerySet = rows.existing().annotate(
        active_number=Subquery(active.values("number"))
    )
    return annotated.order_by("name", "pk")


def names_of(service_ids: Collection[str]) -> dict[str, str]:
    """Return the names of services by id, also of deleted ones, without a permission check."""
    rows = Service.objects.filter(pk__in=service_ids)
    return dict(rows.values_list("pk", "name"))


def matching_services(rows: ServiceQuerySet, text: str) -> ServiceQuerySet:
    """Keep the services whose name contains a text, or a domain of a version; or whose id it is."""
    domains = Part.objects.filter(
        version__service=OuterRef("pk"), kind="domain", name__icontains=text
    )
    found: ServiceQuerySet = rows.filter(
        Q(name__icontains=text) | Q(pk=text) | Exists(domains)
    )
    return found


def get_service(actor: Actor, service_id: str) -> Service:
    """Return a service. Raises NotFound for a non-member, and for a deleted service.

    Raises Forbidden for a member whose access is limited to other services (R21).
    """
    row = _SERVICE.first(service_id)
    return _require_visible(actor, loaded(Service, row) if row else None, service_id)


def service_with_versions(
    actor: Actor, service_id: str
) -> tuple[Service, list[Version]]:
    """Return a service and its versions, oldest first: two queries. Raises as `get_service` does."""
    end = len(_SERVICE_COLUMNS)
    rows = _WITH_VERSIONS.rows(service_id)
    found = loaded(Service, rows[0][:end]) if rows else None
    service = _require_visible(actor, found, service_id)
    versions = [loaded(Version, row[end:]) for row in rows if row[end] is not None]
    for version in versions:
        version.service = service
    return service, versions


def get_version(actor: Actor, service_id: str, number: int) -> Version:
    """Return a version with its service. Raises as `get_service` does."""
    version = _find_version(service_id, number)
    if version is None:
        get_service(actor, service_id)
        raise NotFound(f"Version {number} of service {service_id} not found.")
    _require_visible(actor, version.service, service_id)
    return version


def version_for_decision(actor: Actor, service_id: str, number: int) -> Version:
    """Return a version for the decision, which hides what a limited member may not see.

    So a refused member gets the reason, and the refusal can be recorded. Raises NotFound for a
    non-member, as for a version that does not exist.
    """
    version = _find_version(service_id, number)
    is_member = load_access(actor, actor.account_id).is_member
    if version is None or not (
        is_member and version.service.account_id == actor.account_id
    ):
        raise NotFound(f"Version {number} of service {service_id} not found.")
    return version


_SERVICE_COLUMNS: Final = columns_of(Service)
_VERSION_COLUMNS: Final = columns_of(Version)
_SERVICE: Final = PreparedQuery(
    lambda service_id: (
        Service.objects.existing().filter(pk=service_id).values_list(*_SERVICE_COLUMNS)
    )
)
_WITH_VERSIONS: Final = PreparedQuery(
    lambda service_id: (
        Service.objects.existing()
        .filter(pk=service_id)
        .order_by("versions__number")
        .values_list(*_SERVICE_COLUMNS, *columns_of(Version, "versions__"))
    )
)
_VERSION: Final = PreparedQuery(
    lambda service_id, number: Version.objects.filter(
        service=service_id, service__deleted_at=None, number=number
    ).values_list(
        *_VERSION_COLUMNS,
        *columns_of(Service, "service__"),
        *columns_of(Account, "service__account__"),
    )
)


def _find_version(service_id: str, number: int) -> Version | None:
    """Return a version with its service and account, without a permission check: one query."""
    row = _VERSION.first(service_id, number) if number <= MAX_VERSION_NUMBER else None
    if row is None:
        return None
    end_of_version = len(_VERSION_COLUMNS)
    end_of_service = end_of_version + len(_SERVICE_COLUMNS)
    version = loaded(Version, row[:end_of_version])
    version.service = loaded(Service, row[end_of_version:end_of_service])
    version.service.account = loaded(Account, row[end_of_service:])
    return version


def _require_visible(actor: Actor, service: Service | None, service_id: str) -> Service:
    """Return the service. Raises NotFound, or Forbidden for a member who may not see it.

    An unknown service and that of another account take the same queries, and so the same time.
    """
    if actor.type in {ActorType.STAFF, ActorType.SYSTEM}:
        answer = ALLOWED
    else:
        access = load_access(actor, actor.account_id)
        is_own = service is not None and service.account_id == actor.account_id
        answer = (
            access.decide(Permission.SERVICE_READ, service_id) if is_own else NON_MEMBER
        )
    if service is None or answer.is_non_member:
        raise NotFound(f"Service {service_id} not found.")
    if not answer.allowed:
        raise Forbidden(answer.reason)
    return service


def versions_of(service: Service) -> QuerySet[Version]:
    """Return a service's versions, oldest first."""
    return (
        Version.objects.select_related("service")
        .filter(service=service)
        .order_by("number")
    )


def active_version(service: Service) -> Version | None:
    """Return the active version."""
    return versions_of(service).filter(active=True).first()


def domains_of(service: Service) -> list[str]:
    """Return the domains that the service's active version serves, by name."""
    return list(service.active_domains.order_by("name").values_list("name", flat=True))


def latest_version(service: Service) -> Version:
    """Return the version with the highest number. Raises NotFound if there is none."""
    version = versions_of(service).last()
    if version is None:
        raise NotFound(f"Service '{service.name}' has no versions.")
    return version


def active_versions(services: Iterable[Service]) -> dict[str, Version]:
    """Return the active versions of services, by service: one query."""
    rows = Version.objects.filter(
        service__in=[each.pk for each in services], active=True
    )
    return {version.service_id: version for version in rows}


def active_configs(services: Iterable[Service]) -> dict[str, VersionConfig]:
    """Return the active versions of services as plain values, by service: two queries."""
    versions = active_versions(services)
    configs = version_configs(versions.values())
    return {key: configs[version.pk] for key, version in versions.items()}


def latest_versions(services: Iterable[Service]) -> dict[str, Version]:
    """Return the newest versions of services, by service: one query."""
    newest = Version.objects.filter(service=OuterRef("service")).order_by("-number")
    rows = Version.objects.filter(
        service__in=[each.pk for each in services],
        number=Subquery(newest.values("number")[:1]),
    )
    return {version.service_id: version for version in rows}


@dataclass(frozen=True, slots=True)
class IncompleteVersion:
    """The newest version of a service, if it has no domain or no backend."""

    service_id: str
    name: str
    number: int
    has_domain: bool
    has_backend: bool
    is_draft: bool


def incomplete_services(service_ids: Iterable[str]) -> list[IncompleteVersion]:
    """Return the newest versions that lack a domain or a backend, by the service's name; one query."""
    newest = Version.objects.filter(service=OuterRef("service")).order_by("-number")
    parts = Part.objects.filter(version=OuterRef("pk"))
    rows = (
        Version.objects.filter(
            service__in=list(service_ids), number=Subquery(newest.values("number")[:1])
        )
        .annotate(
            has_domain=Exists(parts.filter(kind="domain")),
            has_backend=Exists(parts.filter(kind="backend")),
        )
        .exclude(has_domain=True, has_backend=True)
        .order_by("service__name", "pk")
    )
    return [
        IncompleteVersion(*row)
        for row in rows.annotate(is_draft=Q(locked=False)).values_list(
            "service_id",
            "service__name",
            "number",
            "has_domain",
            "has_backend",
            "is_draft",
        )
    ]


def parts_of(version: Version, kind: str) -> list[Part]:
    """Return a version's parts of one kind, in the order in which they were added."""
    rows = Part.objects.filter(version=version, kind=kind_of(kind).segment)
    return _with_version(version, rows.order_by("position"))


def all_parts(version: Version) -> dict[str, list[Part]]:
    """Return all parts of a version by kind, in the order in which they were added: one query."""
    found: dict[str, list[Part]] = {segment: [] for segment in KINDS}
    rows = Part.objects.filter(version=version).order_by("position")
    for row in _with_version(version, rows):
        found[row.kind].append(row)
    return found


def _with_version(version: Version, rows: Iterable[Part]) -> list[Part]:
    """Return rows that need no query for their version."""
    found = list(rows)
    for row in found:
        row.version = version
    return found


def get_part(version: Version, kind: str, name: str) -> Part:
    """Return a part by its name, or by its id if its kind is found by that. Raises NotFound."""
    declared = kind_of(kind)
    rows = Part.objects.filter(version=version, kind=declared.segment)
    if declared.key is Key.ID:
        row = rows.filter(public_id=name).first()
    else:
        row = rows.filter(name=declared.normal_name(name)).first()
    if row is None:
        raise NotFound(
            f"Version {version.number} has no {declared.in_sentence} “{name}”."
        )
    row.version = version
    return row


def part_with_id(actor: Actor, kind: str, part_id: str) -> Part | None:
    """Return a part by its id alone, if the actor may see its service."""
    visible = Service.objects.visible_to(actor).existing()
    found: Part | None = (
        Part.objects.select_related("version__service__account")
        .filter(kind=kind, public_id=part_id, version__service__in=visible)
        .first()
    )
    return found


def part_of_service(service: Service, kind: str, part_id: str) -> Part | None:
    """Return a part by its id, from the newest version that has it; None if no version has."""
    row: Part | None = (
        Part.objects.select_related("version")
        .filter(kind=kind, public_id=part_id, version__service=service)
        .order_by("-version__number")
        .first()
    )
    if row is not None:
        row.version.service = service
    return row


def items_of(part: Part) -> QuerySet[Item]:
    """Return what hangs beneath a part, in the order in which it was added."""
    rows: QuerySet[Item] = Item.objects.filter(
        service=part.version.service_id, part_kind=part.kind, part_id=part.public_id
    )
    return rows.order_by("pk")


def warnings_of(version: Version, *, skipped: Collection[str] = ()) -> list[str]:
    """Say what of a version is stored and not carried out: a sentence per part, one query.

    Kinds in `skipped` are left out.
    """
    found = [
        row.declared.warning(row.name, row.values)
        for rows in all_parts(version).values()
        for row in rows
        if row.kind not in skipped
    ]
    return [sentence for sentence in found if sentence]


def missing_parts_of(row: Part) -> list[MissingPart]:
    """Return the parts that a part names and that its version lacks; one query if it names any."""
    named = list(references_of(row.kind, row.name, row.key, row.values))
    if not named:
        return []
    kinds = {each.of_kind for each in named}
    rows = Part.objects.filter(version=row.version_id, kind__in=kinds)
    known = set(rows.values_list("kind", "name"))
    return [each for each in named if (each.of_kind, each.name) not in known]


def find_single(version: Version, kind: str) -> Part | None:
    """Return the part of a kind of which a version has one at most; None if it is missing."""
    return next(iter(parts_of(version, kind)), None)
