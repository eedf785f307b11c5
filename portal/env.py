"""Typed readers of environment variables; the value of NAME may also be in the file NAME_FILE.

django-environ takes URLs and files apart. Its casts are not used: they read any unknown word as
False, and a secret that starts with `$` as the name of another variable.
"""

import contextlib
import os
import secrets
from collections.abc import Callable, Collection
from datetime import datetime
from importlib.util import find_spec
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured
from environ import Env, FileAwareMapping

TRUE_WORDS = frozenset({"1", "true", "yes", "on"})
FALSE_WORDS = frozenset({"0", "false", "no", "off", ""})
LOG_LEVELS = frozenset({"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"})
DATABASE_SCHEMES = frozenset({"postgres", "postgresql", "pgsql", "sqlite"})
BROKER_SCHEMES = frozenset({"amqp", "amqps", "pyamqp", "redis", "rediss", "memory"})
VARIABLES = FileAwareMapping(cache=False)
# Without limits, one held lock or one dead server makes every thread of the portal wait. The web
# server adds a limit per statement; migrations and sweeps have none.
POSTGRESQL_OPTIONS: dict[str, str | int] = {
    # A connection keeps the plan of a query from its first call on, since a rollback discards it.
    "prepare_threshold": 0,
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,  # milliseconds
    "options": "-c lock_timeout=5s -c idle_in_transaction_session_timeout=60s",
}
COUNTS_IN = "PROMETHEUS_MULTIPROC_DIR"  # prometheus_client counts in this folder
DEFAULT_MAIL_PORTS = {"smtp": 587, "smtp+tls": 587, "smtps": 465}


def text(name: str, default: str = "") -> str:
    """Return the variable, the content of the file that NAME_FILE names, or the default."""
    try:
        return str(VARIABLES.get(name, default)).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ImproperlyConfigured(f"{name}_FILE: {error}") from error


def flag(name: str, *, default: bool) -> bool:
    """Return a yes-or-no variable; raise ImproperlyConfigured for any other word."""
    word = text(name, "1" if default else "0")
    if word.lower() in TRUE_WORDS:
        return True
    if word.lower() in FALSE_WORDS:
        return False
    raise ImproperlyConfigured(f"{name}={word!r}: write 1 or 0.")


def number(name: str, default: int, *, minimum: int = 0, maximum: int = 2**31) -> int:
    """Return a whole number between the bounds; raise ImproperlyConfigured for anything else."""
    word = text(name) or str(default)
    is_number = word.isascii() and word.isdigit()
    if not is_number or not minimum <= int(word) <= maximum:
        raise ImproperlyConfigured(
            f"{name}={word!r}: write a whole number from {minimum} to {maximum}."
        )
    return int(word)


def log_level(name: str, default: str) -> str:
    """Return a level of logging; raise ImproperlyConfigured for any other word."""
    word = text(name, default).upper()
    if word not in LOG_LEVELS:
        raise ImproperlyConfigured(
            f"{name}={word!r}: write DEBUG, INFO, WARNING, ERROR or CRITICAL."
        )
    return word


def choice(name: str, default: str, choices: Collection[str]) -> str:
    """Return one of some words; raise ImproperlyConfigured for any other."""
    word = text(name, default).lower()
    if word not in choices:
        raise ImproperlyConfigured(f"{name}={word!r}: write {' or '.join(choices)}.")
    return word


def web_url(name: str, default: str) -> str:
    """Return an http or https URL without its last slash; raise ImproperlyConfigured otherwise."""
    url = text(name, default).rstrip("/")
    try:
        parts = urlsplit(url)
        is_valid = parts.scheme in {"http", "https"} and bool(parts.hostname)
    except ValueError:
        is_valid = False
    if not is_valid:
        raise ImproperlyConfigured(
            f"{name}={url!r}: write a URL such as https://portal.example.com."
        )
    return url


def netloc(url: str) -> str:
    """Return host and port of a URL; the port only if it is not the default one."""
    return urlsplit(url).netloc.lower()


def hosts(url: str, aliases: list[str]) -> list[str]:
    """Return the host names of a URL and of host:port pairs, as Django's ALLOWED_HOSTS has them."""
    return list(dict.fromkeys(map(_without_port, [netloc(url), *aliases])))


def _without_port(name: str) -> str:
    host, _, port = name.rpartition(":")
    return host if host and port.isdigit() else name


def words(name: str, default: str = "") -> list[str]:
    """Return a comma-separated list without blanks."""
    return [word.strip() for word in text(name, default).split(",") if word.strip()]


def networks(name: str, default: str = "") -> tuple[IPv4Network | IPv6Network, ...]:
    """Return a comma-separated list of networks such as 127.0.0.0/8."""
    try:
        return tuple(ip_network(word) for word in words(name, default))
    except ValueError as error:
        raise ImproperlyConfigured(f"{name}: {error}") from error


def servers(name: str, default_port: int) -> tuple[tuple[str, int], ...]:
    """Return a comma-separated list of IP addresses, each with its port: 10.0.0.1 or [::1]:5353."""
    return tuple(_server(name, word, default_port) for word in words(name))


def _server(name: str, word: str, default_port: int) -> tuple[str, int]:
    try:
        parts = urlsplit(f"//{word}")
        return str(ip_address(parts.hostname or "")), parts.port or default_port
    except ValueError as error:
        raise ImproperlyConfigured(
            f"{name}: write IP addresses such as 10.0.0.1 or [::1]:5353."
        ) from error


def data_dir(base: Path) -> Path:
    """Return the folder for everything that Tollgate writes; create it (0700) if it is missing."""
    path = Path(text("DATA_DIR", str(base / "var"))).absolute()
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ImproperlyConfigured(f"DATA_DIR: {error}") from error
    return path


def count_in(folder: Path) -> None:
    """Count for `/metrics` in this folder from now on, beginning with 0."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for path in folder.glob("*.db"):
        path.unlink()
    os.environ[COUNTS_IN] = str(folder)


def tracing() -> bool:
    """Return whether traces are sent. Raises ImproperlyConfigured without their packages."""
    names = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    chosen = next((name for name in names if text(name)), "")
    if chosen and find_spec("opentelemetry") is None:
        raise ImproperlyConfigured(
            f"{chosen} is set, but the packages that send traces are missing. "
            "Install those of requirements-tracing.txt."
        )
    return bool(chosen)


def secret(name: str, folder: Path) -> str:
    """Return a secret from the environment, or from folder/name (0600), made on first use."""
    given = text(name)
    if given:
        return given
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / name.lower()
    if not path.exists():
        _create_private(path, secrets.token_urlsafe(48))
    try:
        content = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ImproperlyConfigured(f"{path}: {error}") from error
    if not content:
        raise ImproperlyConfigured(
            f"{path} is empty. Restore it from a backup; a new {name} would make all "
            "tokens, credentials and sessions invalid."
        )
    return content


def fallbacks(name: str, folder: Path, now: datetime) -> list[str]:
    """Return a secret's earlier values: those of NAME_FALLBACKS, and of rotations not long ago.

    `rotate_key` writes a line with a value and the time until which it counts.
    """
    path = _fallbacks_file(name, folder)
    kept = path.read_text(encoding="ascii").splitlines() if path.exists() else []
    lines = [line.split() for line in kept]
    valid = [value for value, until in lines if datetime.fromisoformat(until) > now]
    return [*words(f"{name}_FALLBACKS"), *valid]


def rotate_secret(name: str, folder: Path, *, until: datetime) -> None:
    """Put a new secret into the file of a secret, and keep the earlier one until an instant.

    Raises ImproperlyConfigured if the secret is not in a file of this folder.
    """
    path = folder / name.lower()
    if text(name) or not path.exists():
        raise ImproperlyConfigured(
            f"{name} is not in {path}. Where you keep it, add its value to {name}_FALLBACKS and "
            f"replace it by a new one, such as: {secrets.token_urlsafe(48)}"
        )
    earlier = _fallbacks_file(name, folder)
    known = earlier.read_text(encoding="ascii") if earlier.exists() else ""
    line = f"{path.read_text(encoding='ascii').strip()} {until.isoformat()}\n"
    _replace_private(earlier, line + known)  # first, so that no value is ever lost
    _replace_private(path, secrets.token_urlsafe(48) + "\n")


def _fallbacks_file(name: str, folder: Path) -> Path:
    return folder / f"{name.lower()}_fallbacks"


def _replace_private(path: Path, content: str) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    _create_private(draft, content)
    draft.replace(path)


def _create_private(path: Path, content: str) -> None:
    """Create a file (0600) with its content in one step, unless another process was faster."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(
        os.open(draft, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "w"
    ) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())  # after a power cut the file must not be empty
    with contextlib.suppress(FileExistsError):
        os.link(draft, path)
    draft.unlink()


def database(folder: Path) -> dict[str, Any]:
    """Return Django's description of DATABASE_URL; SQLite in the data folder by default.

    SQLite runs in WAL with IMMEDIATE transactions. With the default, a read that turns into a
    write fails immediately under concurrency, whatever the time-out.
    """
    url = text("DATABASE_URL")
    config: dict[str, Any] = {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": str(folder / "tollgate.sqlite3"),
    }
    if url:
        config = _parsed(
            "DATABASE_URL",
            url,
            Env.db_url_config,
            schemes=DATABASE_SCHEMES,
            example="postgres://user:password@host:port/name or sqlite:///path",
        )
    if config["ENGINE"] == "django.db.backends.sqlite3":
        if config["NAME"] in {"", ":memory:"}:
            raise ImproperlyConfigured(
                f"DATABASE_URL={url!r} would keep the database in memory, where every process "
                "has its own and loses it. Write sqlite:///path, with four slashes for an "
                "absolute path, or leave it out for a file in DATA_DIR."
            )
        options = {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": (
                "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;"
            ),
        }
        return config | {"CONN_HEALTH_CHECKS": True, "OPTIONS": options}
    # The folder of a Unix socket is a host name with %2F for its slashes.
    host = unquote(config["HOST"])
    options = POSTGRESQL_OPTIONS | config.get("OPTIONS", {})
    if options["prepare_threshold"] == "None":  # a URL has only texts and numbers
        options["prepare_threshold"] = None
    return (
        {"CONN_HEALTH_CHECKS": True, "CONN_MAX_AGE": 60}
        | config
        | {"HOST": host, "OPTIONS": options}
    )


def email(folder: Path) -> dict[str, Any]:
    """Return Django's email settings for EMAIL_URL; files in the data folder by default."""
    url = text("EMAIL_URL")
    if not url:
        return {
            "EMAIL_BACKEND": "django.core.mail.backends.filebased.EmailBackend",
            "EMAIL_FILE_PATH": str(folder / "mail"),
        }
    config = _parsed(
        "EMAIL_URL",
        url,
        _smtp_config,
        schemes=DEFAULT_MAIL_PORTS,
        example="smtp://user:password@host:port, smtps://… or smtp+tls://…",
    )
    scheme = url.partition("://")[0]
    return {
        "EMAIL_BACKEND": config["EMAIL_BACKEND"],
        "EMAIL_HOST": config["EMAIL_HOST"],
        "EMAIL_PORT": config["EMAIL_PORT"] or DEFAULT_MAIL_PORTS[scheme],
        "EMAIL_HOST_USER": config["EMAIL_HOST_USER"] or "",
        "EMAIL_HOST_PASSWORD": config["EMAIL_HOST_PASSWORD"] or "",
        "EMAIL_USE_SSL": scheme == "smtps",  # django-environ takes it for STARTTLS
        "EMAIL_USE_TLS": scheme == "smtp+tls",
        "EMAIL_TIMEOUT": 10,
    }


def _smtp_config(url: str) -> dict[str, Any]:
    config: dict[str, Any] = Env.email_url_config(url)
    if not config["EMAIL_HOST"]:
        raise ValueError(url)
    return config


def _parsed(
    name: str,
    url: str,
    parse: Callable[[str], dict[str, Any]],
    *,
    schemes: Collection[str],
    example: str,
) -> dict[str, Any]:
    """Take a URL apart. The error names no part of it, because the part may be a password."""
    try:
        if url.partition("://")[0] in schemes:
            return parse(url)
    except ValueError:
        pass
    raise ImproperlyConfigured(
        f"{name}: write {example}; in names and passwords, special characters as %XX."
    )


def broker(folder: Path) -> dict[str, Any]:
    """Return Celery's settings for BROKER_URL; files in the data folder by default.

    BROKER_QUEUE names the queue there: installations that share one would take each other's work.
    """
    url = text("BROKER_URL")
    if url and url.partition("://")[0] not in BROKER_SCHEMES:
        raise ImproperlyConfigured(
            "BROKER_URL: write amqp://user:password@host:port/vhost or redis://host:port/0."
        )
    if url:
        return {
            "CELERY_BROKER_URL": url,
            "CELERY_TASK_DEFAULT_QUEUE": text("BROKER_QUEUE") or "celery",
        }
    queue = folder / "broker"
    queue.mkdir(mode=0o700, parents=True, exist_ok=True)
    return {
        "CELERY_BROKER_URL": "filesystem://localhost//",
        "CELERY_BROKER_TRANSPORT": "portal.file_broker:Transport",
        "CELERY_BROKER_TRANSPORT_OPTIONS": {
            "data_folder_in": str(queue),
            "data_folder_out": str(queue),
            "control_folder": str(queue / "control"),
            "polling_interval": 0.02,
        },
    }
