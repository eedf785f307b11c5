"""The demo: two accounts and a member of staff, created by commands and so in the audit trail."""

import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings

from accounts.actor import Actor, Context, Interface
from accounts.commands.accounts import create_account
from accounts.commands.invitations import accept_invitation, invite
from accounts.commands.offboarding import appoint_staff
from accounts.commands.tokens import issue_token
from accounts.models import Account, User
from products.catalogue.models import Plan
from products.deploy.commands import activate
from products.enablement.commands import assign_package
from products.services.commands.parts import add_part
from products.services.commands.services import create_service
from products.services.models import Service
from products.services.queries import get_version

CONTEXT = Context(interface=Interface.COMMAND)
# Reserved names (RFC 2606): no real person has such an address.
EMAIL_ADDRESSES = (
    "sam@acme.example",
    "eve@acme.example",
    "lin@acme.example",
    "bo@acme.example",
    "una@acme.example",
    "stan@globex.example",
    "ada@tollgate.example",
)
TOKEN_LIFETIME = timedelta(days=365)
PASSWORD_BYTES = 12  # 96 random bits


@dataclass(frozen=True, slots=True)
class Person:
    """A user of the demo, with password and API token."""

    user: User | None
    login: str
    password: str
    role: str
    account: Account | None
    token: str | None

    def as_json(self) -> dict[str, str | None]:
        """Return the user as written to demo.json."""
        return {
            "login": self.login,
            "password": self.password,
            "token": self.token,
            "role": self.role,
            "account": self.account.pk if self.account else None,
        }


def load_demo(now: datetime) -> dict[str, Person]:
    """Create the demo and write DATA_DIR/demo.json (0600); the database must have no accounts."""
    system = Actor.system("load-demo", interface=Interface.COMMAND)
    sam = _account_with_superuser(system, "Acme", "Sam Osei", "sam@acme.example", now)
    stan = _account_with_superuser(
        system, "Globex", "Stan Ito", "stan@globex.example", now
    )
    assert sam.account is not None  # noqa: S101 - both were created with an account
    assert stan.account is not None  # noqa: S101
    services = _services(_actor(sam), sam.account, now)
    people = {
        "superuser": sam,
        "engineer": _member(sam, "Eve Lindqvist", "eve@acme.example", "engineer", now),
        "limited_engineer": _member(
            sam,
            "Lin Okafor",
            "lin@acme.example",
            "engineer",
            now,
            services={services["shop"].pk: "full"},
        ),
        "billing": _member(sam, "Bo Hartmann", "bo@acme.example", "billing", now),
        "user": _member(sam, "Una Castro", "una@acme.example", "user", now),
        "admin": _admin(system, now),
        "other_superuser": stan,
    }
    for plan in Plan.objects.filter(kind=Plan.Kind.PACKAGE).select_related("product"):
        assign_package(
            system, account=stan.account, plan=plan, now=now, reason="Demo package"
        )
    _write(people, services)
    return people


def _password() -> str:
    return secrets.token_urlsafe(PASSWORD_BYTES)


def _actor(person: Person) -> Actor:
    assert person.user is not None  # noqa: S101 - only called for members
    assert person.account is not None  # noqa: S101
    return Actor.user(
        user_id=person.user.pk,
        label=str(person.user),
        email=person.login,
        account_id=person.account.pk,
        context=CONTEXT,
    )


def _with_token(
    user: User, password: str, role: str, account: Account, now: datetime
) -> Person:
    bare = Person(user, user.email, password, role, account, None)
    issued = issue_token(
        _actor(bare),
        name="Demo",
        scope="global",
        services=[],
        expires_at=now + TOKEN_LIFETIME,
        now=now,
    )
    return Person(user, user.email, password, role, account, issued.secret)


def _account_with_superuser(
    system: Actor, name: str, person: str, email: str, now: datetime
) -> Person:
    password = _password()
    account = create_account(
        system,
        name=name,
        superuser_email=email,
        superuser_name=person,
        password=password,
        now=now,
    )
    return _with_token(
        User.objects.get(email=email), password, "superuser", account, now
    )


def _member(
    superuser: Person,
    name: str,
    email: str,
    role: str,
    now: datetime,
    *,
    services: Mapping[str, str] | None = None,
) -> Person:
    assert superuser.account  # noqa: S101 - a member's
    password = _password()
    invitation = invite(
        _actor(superuser),
        account=superuser.account,
        email=email,
        role=role,
        limit_services=services is not None,
        services=services or {},
        now=now,
    )
    membership = accept_invitation(
        CONTEXT, invitation=invitation, user=None, name=name, password=password, now=now
    )
    return _with_token(membership.user, password, role, superuser.account, now)


def _admin(system: Actor, now: datetime) -> Person:
    password = _password()
    user = appoint_staff(
        system,
        email="ada@tollgate.example",
        name="Ada Marchetti",
        password=password,
        now=now,
    )
    return Person(user, user.email, password, "admin", None, None)


def _services(superuser: Actor, account: Account, now: datetime) -> dict[str, Service]:
    echo = {
        "domain": ("echo.localhost", {}),
        "backend": (
            "echo origin",
            {"address": "127.0.0.1", "port": settings.ECHO_PORT},
        ),
    }
    shop = {
        "domain": ("shop.localhost", {}),
        "backend": (
            "shop origin",
            {
                "address": "127.0.0.1",
                "port": settings.ECHO_PORT,
                "shield": "frankfurt-de",
            },
        ),
    }
    return {
        "echo": _service(superuser, account, "echo", echo, now),
        "shop": _service(superuser, account, "shop", shop, now),
    }


def _service(
    actor: Actor,
    account: Account,
    name: str,
    objects: Mapping[str, tuple[str, Mapping[str, Any]]],
    now: datetime,
) -> Service:
    service = create_service(actor, account=account, name=name, now=now)
    version = get_version(actor, service.pk, 1)
    for kind, (label, fields) in objects.items():
        add_part(actor, version=version, kind=kind, name=label, fields=fields, now=now)
    activate(
        actor,
        version=get_version(actor, service.pk, 1),
        now=now,
        comment="First version",
    )
    return service


def _write(people: Mapping[str, Person], services: Mapping[str, Service]) -> None:
    document = {
        "portal": settings.PORTAL_URL,
        "edge": settings.EDGE_URL,
        "people": {key: person.as_json() for key, person in people.items()},
        "services": {
            key: {"id": service.pk, "domain": f"{key}.localhost"}
            for key, service in services.items()
        },
    }
    path = Path(settings.DATA_DIR) / "demo.json"
    handle = os.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(document, file, indent=2)
        file.write("\n")
