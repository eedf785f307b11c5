"""System checks of the portal, with ids and hints; in production a fault prevents the start."""

import os
import sys
from collections.abc import Iterator, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import (
    CheckMessage,
    Error,
    Tags,
    register,
    run_checks,
)
from django.db import connections
from django.db.migrations.executor import MigrationExecutor

from accounts.models import User
from portal import secret_ids
from portal.backup import KEYS
from portal.demo import EMAIL_ADDRESSES

MIN_SECRET_BYTES = 32
MIN_DIFFERENT_CHARACTERS = 8  # a random secret of this length has more
# Networks of the machine itself. Metadata services of clouds answer on link-local addresses.
OWN_NETWORKS = tuple(
    map(ip_network, ("127.0.0.0/8", "169.254.0.0/16", "::1/128", "fe80::/10"))
)
WIDEST_PRIVATE_NETWORK = 8  # bits of the shortest prefix, as of 10.0.0.0/8
UNIQUE_LOCAL = IPv6Network("fc00::/7")
EXIT_CONFIGURATION = 78  # EX_CONFIG of sysexits.h


@register()
def data_dir_is_writable(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[CheckMessage]:
    """Fail if the data folder cannot be written."""
    if os.access(settings.DATA_DIR, os.W_OK):
        return []
    return [
        Error(
            f"{settings.DATA_DIR} cannot be written.",
            hint="Set DATA_DIR to a folder that this user can write.",
            id="portal.E001",
        )
    ]


@register(deploy=True)
def files_are_private(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[CheckMessage]:
    """Fail if other users can read the data folder or the file of a secret."""
    folder = Path(settings.DATA_DIR)
    own = [folder, *(folder / "secrets").glob("*")]
    return [
        Error(
            f"{path} is open to other users.",
            hint=f"chmod {'700' if path.is_dir() else '600'} {path}",
            id="portal.E002",
        )
        for path in own
        if path.stat().st_mode & 0o077
    ]


@register(deploy=True)
def secrets_are_strong(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> Iterator[CheckMessage]:
    """Fail on a secret that can be guessed, and on one secret for two purposes."""
    secrets = {name: getattr(settings, name) for name in KEYS}
    hint = (
        'Make one with: python3 -c "import secrets; print(secrets.token_urlsafe(48))"'
    )
    for name, value in secrets.items():
        is_short = len(value.encode()) < MIN_SECRET_BYTES
        if is_short or len(set(value)) < MIN_DIFFERENT_CHARACTERS:
            yield Error(
                f"{name} can be guessed: it needs {MIN_SECRET_BYTES} random bytes.",
                hint=hint,
                id="portal.E003",
            )
    if len(set(secrets.values())) < len(secrets):
        yield Error(f"Two of {', '.join(KEYS)} are equal.", hint=hint, id="portal.E004")


@register(deploy=True)
def addresses_are_safe(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> Iterator[CheckMessage]:
    """Fail if the portal cannot be reached safely: by TLS, at its own name, behind a proxy."""
    if not settings.PORTAL_URL.startswith("https://"):
        yield Error(
            f"PORTAL_URL is {settings.PORTAL_URL}.",
            hint="Set PORTAL_URL to the https:// URL that people use.",
            id="portal.E005",
        )
    if "*" in settings.ALLOWED_HOSTS or any(
        name.startswith(".") for name in settings.ALLOWED_HOSTS
    ):
        yield Error(
            "ALLOWED_HOSTS has a wildcard.",
            hint="Name each further host. The host of PORTAL_URL need not be named.",
            id="portal.E006",
        )
    if settings.TRUSTED_PROXIES == 0:
        yield Error(
            "No proxy is trusted, but only a proxy can speak TLS.",
            hint="Put deploy/haproxy-portal.cfg in front and set TRUSTED_PROXIES=1.",
            id="portal.E007",
        )


@register(deploy=True)
def private_origins_are_narrow(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[CheckMessage]:
    """Fail if customers' origins may be on this machine or in very wide networks."""
    return [
        Error(
            f"PRIVATE_ORIGINS has {network}.",
            hint="Name only your own private networks, such as 10.0.0.0/8.",
            id="portal.E008",
        )
        for network in settings.PRIVATE_ORIGINS
        if _is_too_wide(network)
    ]


def _is_too_wide(network: IPv4Network | IPv6Network) -> bool:
    if any(
        network.version == own.version and network.overlaps(own) for own in OWN_NETWORKS
    ):
        return True
    if isinstance(network, IPv6Network):
        return not network.subnet_of(UNIQUE_LOCAL)
    return network.prefixlen < WIDEST_PRIVATE_NETWORK


@register(deploy=True)
def logs_have_no_details(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[CheckMessage]:
    """Fail on a level of logging that writes queries and bodies."""
    if settings.LOG_LEVEL != "DEBUG":
        return []
    return [
        Error(
            "LOG_LEVEL is DEBUG, which logs personal data.",
            hint="Set LOG_LEVEL to INFO or WARNING.",
            id="portal.E009",
        )
    ]


@register(deploy=True)
def database_is_a_server(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[CheckMessage]:
    """Fail on SQLite, unless the operator chose it."""
    engine = settings.DATABASES["default"]["ENGINE"]
    if not engine.endswith("sqlite3") or settings.SQLITE_IN_PRODUCTION:
        return []
    return [
        Error(
            "The database is SQLite, which serves one machine only.",
            hint="Set DATABASE_URL to PostgreSQL, or SQLITE_IN_PRODUCTION=1.",
            id="portal.E010",
        )
    ]


@register(deploy=True)
def data_dir_had_no_demo(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[CheckMessage]:
    """Fail on a data folder that holds the demo's passwords."""
    path = Path(settings.DATA_DIR) / "demo.json"
    if not path.exists():
        return []
    return [
        Error(
            f"{path} has the demo's passwords and tokens.",
            hint="Use a new DATA_DIR and a new database.",
            id="portal.E011",
        )
    ]


@register(Tags.database, deploy=True)
def database_is_ready(
    app_configs: Sequence[AppConfig] | None,
    databases: Sequence[str] | None = None,
    **kwargs: Any,
) -> Iterator[CheckMessage]:
    """Fail on pending migrations, on other secrets than before, and on the demo's people."""
    for alias in databases or ():
        executor = MigrationExecutor(connections[alias])
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            yield Error(
                "The database has pending migrations.",
                hint="Run manage.py migrate.",
                id="portal.E012",
            )
            continue
        for fault, remedy in secret_ids.faults():
            yield Error(fault, hint=remedy, id="portal.E014")
        if (
            User.objects.using(alias)
            .filter(email__in=EMAIL_ADDRESSES, is_active=True)
            .exists()
        ):
            yield Error(
                "The database holds the demo's people, whose passwords are known.",
                hint="Use a new database. The demo is not for production.",
                id="portal.E013",
            )


def refuse_unsafe_production(databases: Sequence[str] = ("default",)) -> None:
    """Exit with one line per fault, as `manage.py check --deploy` reports them.

    Outside production only a secret that can be guessed is a fault.
    """
    found = (
        run_checks(include_deployment_checks=True, databases=databases)
        if settings.PRODUCTION
        else secrets_are_strong(None)
    )
    faults = [each for each in found if each.is_serious()]
    for fault in faults:
        print(f"{fault.id}: {fault.msg} {fault.hint or ''}", file=sys.stderr)  # noqa: T201 - for the operator
    if faults:
        sys.exit(EXIT_CONFIGURATION)
    if settings.PRODUCTION and databases:
        secret_ids.keep_ids()
