"""A large account whose names are long: 1,000 of everything, written in bulk."""

from collections.abc import Iterator

from django.contrib.auth.models import Permission
from guardian.models import UserObjectPermission

from accounts.models import Account, ApiToken, Invitation, Membership, User
from accounts.roles import AccessLevel, Role
from accounts.service_access import service_model
from products.domains.models import ActiveDomain, DomainClaim
from products.enablement.models import ServiceProduct
from products.services.models import Part, Service, Version
from products.webhooks.models import Delivery
from tests.factories import NOW
from tests.factories.services import BackendFactory, DomainFactory, PartFactory
from tests.factories.webhooks import WebhookFactory

ROLES = (Role.ENGINEER, Role.USER, Role.ENGINEER, Role.BILLING, Role.USER)
LONG = "w" * 90  # without a place to wrap at


def enlarge(account: Account, owner: User, *, count: int = 1000) -> None:
    """Add services, members and what belongs to them, with names of 100 characters.

    Half of the services are active, and a quarter have WebSockets on. `owner` gets the tokens.
    """
    services = Service.objects.bulk_create(
        Service(
            account=account,
            name=f"{number:04d}-{LONG}"[:100],
            comment=f"Comment {number}",
            created_at=NOW,
            updated_at=NOW,
        )
        for number in range(count)
    )
    _deploy(account, services[::2])
    ServiceProduct.objects.bulk_create(
        ServiceProduct(
            service=service,
            product_id="websockets",
            starts_at=NOW,
            started_by=f"Sam {LONG}",
        )
        for service in services[::4]
    )
    _add_members(account, services, count)
    _add_rest(account, services, owner, count)


def _deploy(account: Account, services: list[Service]) -> None:
    """Give services an active version with a domain and a shielded backend, and a claim each."""
    versions = Version.objects.bulk_create(
        Version(
            service=service,
            number=1,
            author=f"Eve {LONG}",
            active=True,
            locked=True,
            created_at=NOW,
            updated_at=NOW,
        )
        for service in services
    )
    Part.objects.bulk_create(
        part for version in versions for part in _parts_of(version)
    )
    ActiveDomain.objects.bulk_create(
        ActiveDomain(name=_domain(version.service), service=version.service)
        for version in versions
    )
    DomainClaim.objects.bulk_create(
        DomainClaim(
            account=account,
            name=_domain(service),
            registrable_name=f"{service.name[:4]}.example.com",
            state="verified",
            method="dns",
            requested_at=NOW,
            requested_by=f"Sam {LONG}",
            verified_at=NOW,
            used_at=NOW,
        )
        for service in services
    )


def _domain(service: Service) -> str:
    return f"{'d' * 60}.{service.name[:4]}.example.com"


def _parts_of(version: Version) -> Iterator[Part]:
    yield DomainFactory.build(
        version=version, name=_domain(version.service), position=0
    )
    yield BackendFactory.build(
        version=version, name=LONG, position=1, address="origin.example.com"
    )
    # Every eighth service can't have WebSockets.
    if int(version.service.name[:4]) % 8 == 0:
        yield PartFactory.build(
            kind="backend",
            version=version,
            name="shielded",
            position=2,
            address="origin.example.com",
            shield="iad-va-us",
        )


def _add_members(account: Account, services: list[Service], count: int) -> None:
    """Add members; every tenth is limited, with full access to 20 services."""
    users = User.objects.bulk_create(
        User(
            name=f"{number:04d}{LONG}"[:100],
            email=f"{number:04d}{'m' * 50}@example.com",
            password="!",
        )
        for number in range(count)
    )
    Membership.objects.bulk_create(
        Membership(
            account=account,
            user=user,
            role=ROLES[number % len(ROLES)],
            limit_services=number % 10 == 0,
            created_at=NOW,
            updated_at=NOW,
        )
        for number, user in enumerate(users)
    )
    registered = service_model()
    permission = Permission.objects.select_related("content_type").get(
        content_type__app_label="services",
        codename=registered.codenames[AccessLevel.FULL],
    )
    UserObjectPermission.objects.bulk_create(
        UserObjectPermission(
            user=user,
            permission=permission,
            content_type=permission.content_type,
            object_pk=service.pk,
        )
        for user in users[::10]
        for service in services[:20]
    )


def _add_rest(
    account: Account, services: list[Service], owner: User, count: int
) -> None:
    """Add the owner's tokens, open invitations, and a webhook with a log."""
    ApiToken.objects.bulk_create(
        ApiToken(
            user=owner,
            account=account,
            name=f"{number:04d}{LONG}"[:100],
            scope="global",
            services=[service.pk for service in services[: number % 50]],
            digest=f"{number:064d}",
            created_at=NOW,
        )
        for number in range(count)
    )
    Invitation.objects.bulk_create(
        Invitation(
            account=account,
            email=f"{number:04d}{'i' * 50}@example.com",
            role="user",
            invited_by=f"Sam {LONG}"[:100],
            inviter=owner,
            created_at=NOW,
            expires_at=NOW,
        )
        for number in range(count)
    )
    webhook = WebhookFactory.create(
        account=account, url=f"https://example.com/{'h' * 90}"
    )
    Delivery.objects.bulk_create(
        Delivery(
            webhook=webhook,
            sequence=number + 1,
            event="version.activated",
            created_at=NOW,
        )
        for number in range(count)
    )
