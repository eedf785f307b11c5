"""Typed readers of the environment; a secret may also lie in the file that NAME_FILE names."""

import contextlib
import os
import secrets
from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import dj_database_url
from django.core.exceptions import ImproperlyConfigured

TRUE_WORDS = frozenset({"1", "true", "yes", "on"})
ENGINES = frozenset({"django.db.backends.sqlite3", "django.db.backends.postgresql"})
BROKERS = frozenset({"amqp", "amqps", "pyamqp", "redis", "rediss", "memory"})
LEVELS = frozenset({"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"})
FALSE_WORDS = frozenset({"0", "false", "no", "off", ""})


def text(name: str, default: str = "") -> str:
    """Return the variable, the content of the file that NAME_FILE names, or the default."""
    path = os.environ.get(f"{name}_FILE")
    if path:
        try:
            return Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ImproperlyConfigured(f"{name}_FILE: {error}") from error
    return os.environ.get(name, default)


def flag(name: str, *, default: bool) -> bool:
    """Return a yes-or-no variable; raise ImproperlyConfigured for any other word."""
    word = os.environ.get(name)
    if word is None:
        return default
    if word.lower() in TRUE_WORDS:
        return True
    if word.lower() in FALSE_WORDS:
        return False
    raise ImproperlyConfigured(f"{name}={word!r}: write 1 or 0.")


def number(name: str, default: int, *, least: int = 0, most: int = 2**31) -> int:
    """Return a whole number between the bounds; raise ImproperlyConfigured for anything else."""
    word = os.environ.get(name)
    if word is None or word == "":
        return default
    if not word.isascii() or not word.isdigit() or not least <= int(word) <= most:
        raise ImproperlyConfigured(
            f"{name}={word!r}: write a whole number from {least} to {most}."
        )
    return int(word)


def level(name: str, default: str) -> str:
    """Return a level of logging; raise ImproperlyConfigured for any other word."""
    word = text(name, default).upper()
    if word not in LEVELS:
        raise ImproperlyConfigured(
            f"{name}={word!r}: write DEBUG, INFO, WARNING, ERROR or CRITICAL."
        )
    return word


def address(name: str, default: str) -> str:
    """Return an http or https URL without its last slash; raise ImproperlyConfigured for no such."""
    url = text(name, default).rstrip("/")
    try:
        parts = urlsplit(url)
        good = parts.scheme in {"http", "https"} and bool(parts.hostname)
    except ValueError:
        good = False
    if not good:
        raise ImproperlyConfigured(
            f"{name}={url!r}: write a URL such as https://portal.example.com."
        )
    return url


def words(name: str, default: str = "") -> list[str]:
    """Return a comma-separated list without its blanks."""
    return [word.strip() for word in text(name, default).split(",") if word.strip()]


def networks(name: str, default: str = "") -> tuple[IPv4Network | IPv6Network, ...]:
    """Return a comma-separated list of networks such as 127.0.0.0/8."""
    try:
        return tuple(ip_network(word) for word in words(name, default))
    except ValueError as error:
        raise ImproperlyConfigured(f"{name}: {error}") from error


def data_dir(base: Path) -> Path:
    """Return the folder that holds all that is written; made 0700 when it is missing."""
    path = Path(text("DATA_DIR", str(base / "var"))).absolute()
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ImproperlyConfigured(f"DATA_DIR: {error}") from error
    return path


def secret(name: str, folder: Path) -> str:
    """Return a secret from the environment, or from folder/NAME (0600), made on first use."""
    given = text(name)
    if given:
        return given
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / name.lower()
    if not path.exists():
        _write_once(path, secrets.token_urlsafe(48))
    return path.read_text(encoding="ascii").strip()


def _write_once(path: Path, content: str) -> None:
    """Write a private file unless somebody was faster; nobody ever reads half of it."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(
        os.open(draft, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "w"
    ) as file:
        file.write(content)
    with contextlib.suppress(FileExistsError):
        os.link(draft, path)
    draft.unlink()


def database(folder: Path) -> dict[str, Any]:
    """Return Django's description of DATABASE_URL; SQLite in the data folder by default.

    SQLite runs in WAL with IMMEDIATE transactions: with the default, a read that turns into a
    write fails at once under concurrency, whatever the time-out.
    """
    url = text("DATABASE_URL") or f"sqlite:///{folder / 'tollgate.sqlite3'}"
    try:
        config: dict[str, Any] = dict(
            dj_database_url.parse(url, conn_health_checks=True)
        )
    except (ValueError, KeyError) as error:
        raise ImproperlyConfigured(f"DATABASE_URL: {error}") from error
    if config["ENGINE"] not in ENGINES:
        raise ImproperlyConfigured(
            "DATABASE_URL: write postgres://user:password@host:port/name or sqlite:///path."
        )
    if config["ENGINE"] == "django.db.backends.sqlite3":
        config["OPTIONS"] = {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": (
                "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;"
            ),
        }
    else:
        config["CONN_MAX_AGE"] = 60
    return config


def email(folder: Path) -> Mapping[str, Any]:
    """Return Django's e-mail settings for EMAIL_URL; files in the data folder by default."""
    url = text("EMAIL_URL")
    if not url:
        return {
            "EMAIL_BACKEND": "django.core.mail.backends.filebased.EmailBackend",
            "EMAIL_FILE_PATH": str(folder / "mail"),
        }
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ImproperlyConfigured(f"EMAIL_URL: {error}") from error
    if parts.scheme not in {"smtp", "smtps", "smtp+tls"} or not parts.hostname:
        raise ImproperlyConfigured(
            "EMAIL_URL: write smtp://user:password@host:port or smtps://…"
        )
    return {
        "EMAIL_BACKEND": "django.core.mail.backends.smtp.EmailBackend",
        "EMAIL_HOST": parts.hostname,
        "EMAIL_PORT": port or (465 if parts.scheme == "smtps" else 587),
        "EMAIL_HOST_USER": parts.username or "",
        "EMAIL_HOST_PASSWORD": parts.password or "",
        "EMAIL_USE_SSL": parts.scheme == "smtps",
        "EMAIL_USE_TLS": parts.scheme == "smtp+tls",
        "EMAIL_TIMEOUT": 10,
    }


def broker(folder: Path) -> tuple[str, dict[str, Any]]:
    """Return Celery's broker URL and options; files in the data folder by default."""
    url = text("BROKER_URL")
    if url and url.partition("://")[0] not in BROKERS:
        raise ImproperlyConfigured(
            "BROKER_URL: write amqp://user:password@host:port/vhost or redis://host:port/0."
        )
    if url:
        return url, {}
    queue = folder / "broker"
    queue.mkdir(mode=0o700, parents=True, exist_ok=True)
    return "filesystem://localhost//", {
        "data_folder_in": str(queue),
        "data_folder_out": str(queue),
        "control_folder": str(queue / "control"),
        "polling_interval": 0.02,
    }
