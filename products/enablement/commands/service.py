"""Switch a product on and off for one service (R4), on every version of it."""

from collections.abc import Mapping
from datetime import datetime

from accounts.actor import Actor
from accounts.audit.vocabulary import Event
from accounts.change import Trail, Unchanged, recorded_change
from accounts.errors import Conflict
from accounts.roles import Permission
from products.catalogue.models import Product
from products.compatibility.findings import Finding
from products.enablement.configuration import (
    read_configuration,
    whole_configuration,
)
from products.enablement.models import ServiceProduct
from products.enablement.queries import (
    block_of,
    budget_blocks,
    conflicts,
    current,
    switch_of,
)
from products.enablement.refusals import (
    NotOnService,
    remedy_for_disabled,
    type_refusal,
)
from products.services.commands.locking import service_for_update
from products.services.models import Service


class NotEntitled(Conflict):
    """The product is not enabled for the account, or it is blocked (R2)."""

    code = "not_entitled"


class WrongServiceType(Conflict):
    """The product is not for services of this type, or not for single services."""

    code = "wrong_service_type"


class Incompatible(Conflict):
    """The service conflicts with the product (R6–R8)."""

    code = "incompatible"

    def __init__(self, findings: tuple[Finding, ...]) -> None:
        sentences = [f"{each.message} {each.remedy}" for each in findings]
        super().__init__(sentences[0], details=sentences)
        self.findings = findings


def enable_for_service(
    actor: Actor,
    *,
    service: Service,
    product: Product,
    now: datetime,
    configuration: Mapping[str, object] | None = None,
) -> None:
    """Switch a product on for a service; a second call changes only its configuration.

    Raises Forbidden or NotFound by role and access; ServiceGone; NotEntitled; WrongServiceType;
    Incompatible with every conflict that the active version and other products have; Invalid for
    the configuration. Notes service_product.enabled, or service_product.configured.
    """
    options = read_configuration(product.pk, configuration or {})
    with recorded_change(
        actor, Permission.SERVICE_CONFIGURE, on=service, now=now
    ) as trail:
        service = service_for_update(service.pk)
        if (switch := switch_of(service, product.pk)) is not None:
            _configure(trail, service, switch, options)
            return
        _check_entitled(service.account_id, product)
        if not product.supports(service.type):
            raise WrongServiceType(type_refusal(product))
        if found := conflicts(service, with_=product.pk):
            raise Incompatible(found)
        ServiceProduct.objects.create(
            service=service,
            product=product,
            starts_at=trail.now,
            started_by=actor.words,
            configuration=options,
        )
        trail.note(
            Event.SERVICE_PRODUCT_ENABLED,
            target=("service", service.pk, service.name),
            product=product.pk,
            service_id=service.pk,
            before={"enabled": False},
            after={"enabled": True, **options},
        )


def configure_for_service(
    actor: Actor,
    *,
    service: Service,
    product: Product,
    configuration: Mapping[str, object],
    now: datetime,
) -> None:
    """Change options of a product that is on for a service; others stay as they are.

    Raises Forbidden, NotFound, ServiceGone, NotOnService, Invalid. Notes service_product.configured.
    """
    options = read_configuration(product.pk, configuration)
    with recorded_change(
        actor, Permission.SERVICE_CONFIGURE, on=service, now=now
    ) as trail:
        service = service_for_update(service.pk)
        switch = switch_of(service, product.pk)
        if switch is None:
            raise NotOnService(product, service)
        _configure(trail, service, switch, options)


def disable_for_service(
    actor: Actor, *, service: Service, product: Product, now: datetime
) -> None:
    """Switch a product off for a service; new connections are refused from now on.

    A second call changes nothing. Raises Forbidden, NotFound or ServiceGone. Notes
    service_product.disabled.
    """
    with recorded_change(
        actor, Permission.SERVICE_CONFIGURE, on=service, now=now
    ) as trail:
        service = service_for_update(service.pk)
        switch = switch_of(service, product.pk)
        if switch is None:
            raise Unchanged
        switch.ends_at = trail.now
        switch.ended_by = actor.words
        switch.save(update_fields=["ends_at", "ended_by"])
        trail.note(
            Event.SERVICE_PRODUCT_DISABLED,
            target=("service", service.pk, service.name),
            product=product.pk,
            service_id=service.pk,
            before={"enabled": True},
            after={"enabled": False},
        )


def _configure(
    trail: Trail, service: Service, switch: ServiceProduct, options: dict[str, str]
) -> None:
    """Change options of an open switch. Raises Unchanged if they have these values."""
    before = whole_configuration(switch.product_id, switch.configuration)
    after = before | options
    if after == before:
        raise Unchanged
    switch.configuration = after
    switch.save(update_fields=["configuration"])
    trail.note(
        Event.SERVICE_PRODUCT_CONFIGURED,
        target=("service", service.pk, service.name),
        product=switch.product_id,
        service_id=service.pk,
        before=before,
        after=after,
    )


def _check_entitled(account_id: str, product: Product) -> None:
    if product.is_always_included:
        return
    enablement = current(account_id, product.pk)
    if enablement is None:
        raise NotEntitled(
            f"{product.name} is not enabled for this account. "
            f"{remedy_for_disabled(product)}"
        )
    block = block_of(enablement, budget_blocks(account_id).get(product.pk))
    if block is not None:
        raise NotEntitled(f"{product.name} is blocked: {block.reason}")
