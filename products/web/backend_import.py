"""Copying a backend of another service into a new draft backend: what to choose from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from django.http import QueryDict

from accounts.actor import Actor
from accounts.lists import MAX_SEARCH_LENGTH
from products.services.models import Part, Service, Version
from products.services.queries import (
    active_version,
    get_part,
    get_service,
    matching_services,
    services_of,
)
from products.web.part_forms import initial_of

SHOWN: Final = 20  # services, or backends of one of them


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendImport:
    """Where a backend can be copied from: services, then backends of `source`, then `copied`."""

    search: str
    source: Service | None = None
    copied: Part | None = None
    services: Sequence[Service] = ()
    backends: Sequence[Part] = ()
    more: int = 0  # that match, and are not shown


def backend_import(
    actor: Actor, version: Version, params: QueryDict
) -> BackendImport | None:
    """Return what the address of the page asks for; None if it asks for no import.

    Lists services with an active version that the actor may see, except for the version's own.
    Raises NotFound and Forbidden for other services, and NotFound for a backend that is not in
    the active version.
    """
    if "find" not in params and "from" not in params:
        return None
    search = str(params.get("find", "")).strip()[:MAX_SEARCH_LENGTH]
    service_id = str(params.get("from", ""))
    if not service_id:
        with_active = Version.objects.filter(active=True).values("service")
        services = (
            matching_services(services_of(actor), search)
            .filter(pk__in=with_active)
            .exclude(pk=version.service_id)
        )
        return BackendImport(
            search=search,
            services=list(services[:SHOWN]),
            more=services.count() - SHOWN,
        )
    source = get_service(actor, service_id)
    active = active_version(source)
    if active is None:
        return BackendImport(search=search, source=source)
    if name := params.get("backend"):
        copied = get_part(active, "backend", name)
        return BackendImport(search=search, source=source, copied=copied)
    backends = Part.objects.filter(
        version=active, kind="backend", name__icontains=search
    ).order_by("name")
    return BackendImport(
        search=search,
        source=source,
        backends=list(backends[:SHOWN]),
        more=backends.count() - SHOWN,
    )


def copied_fields(source: Part) -> dict[str, object]:
    """Return the initial values of a form for a copy of a part.

    Without secrets and certificates, which may hold a key, and without the names of other parts of
    its version.
    """
    fields = source.declared.by_name
    return {
        name: value
        for name, value in initial_of(source).items()
        if name == "name" or not (fields[name].private or fields[name].refers_to)
    }
