"""Settings from the environment: what is read, and the one line that names a wrong value."""

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db.backends.sqlite3.base import DatabaseWrapper
from kombu import Connection

from portal import env

RESERVED = "a@b:c/d?e#f%g+h i$j"
ENCODED = "a%40b%3Ac%2Fd%3Fe%23f%25g%2Bh%20i%24j"


@pytest.mark.parametrize(
    ("name", "value", "read"),
    [
        ("PORT", "abc", lambda: env.number("PORT", 1)),
        ("PORT", "٣", lambda: env.number("PORT", 1)),
        ("PORT", "70000", lambda: env.number("PORT", 1, maximum=65535)),
        ("PRODUCTION", "maybe", lambda: env.flag("PRODUCTION", default=False)),
        ("PRIVATE_ORIGINS", "here", lambda: env.networks("PRIVATE_ORIGINS")),
        ("LOG_LEVEL", "loud", lambda: env.log_level("LOG_LEVEL", "WARNING")),
        ("PORTAL_URL", "portal", lambda: env.web_url("PORTAL_URL", "")),
        ("PORTAL_URL", "http://[::1", lambda: env.web_url("PORTAL_URL", "")),
        ("PORTAL_URL", "ftp://portal", lambda: env.web_url("PORTAL_URL", "")),
        ("EMAIL_URL", "hush", lambda: env.email(Path("/nowhere"))),
        ("EMAIL_URL", "smtp://", lambda: env.email(Path("/nowhere"))),
        ("EMAIL_URL", "smtp://u:hush#x@host", lambda: env.email(Path("/nowhere"))),
        ("EMAIL_URL", "smtp://host:99999", lambda: env.email(Path("/nowhere"))),
        ("EMAIL_URL", "smtp://[::1", lambda: env.email(Path("/nowhere"))),
        ("DATABASE_URL", "hush", lambda: env.database(Path("/nowhere"))),
        ("DATABASE_URL", "oracle://host/x", lambda: env.database(Path("/nowhere"))),
        (
            "DATABASE_URL",
            "postgres://u:hush?x@host:1/x",
            lambda: env.database(Path("/nowhere")),
        ),
        ("DATABASE_URL", "sqlite:///", lambda: env.database(Path("/nowhere"))),
        ("DATABASE_URL", "sqlite://:memory:", lambda: env.database(Path("/nowhere"))),
        ("BROKER_URL", "hush", lambda: env.broker(Path("/nowhere"))),
    ],
)
def test_a_wrong_value_is_named_in_one_line_without_a_password(
    monkeypatch, name, value, read
):
    monkeypatch.setenv(name, value)

    with pytest.raises(ImproperlyConfigured) as refused:
        read()

    assert str(refused.value).startswith(name)
    assert "\n" not in str(refused.value)
    assert "hush" not in str(refused.value)


def test_a_value_can_be_in_a_file(monkeypatch, tmp_path):
    file = tmp_path / "key"
    file.write_text("$ecret\n")
    monkeypatch.setenv("SECRET_KEY", "another")
    monkeypatch.setenv("SECRET_KEY_FILE", str(file))

    assert env.secret("SECRET_KEY", tmp_path) == "$ecret"


@pytest.mark.parametrize("content", [b"", b" \n", b"\xd0\xff"])
def test_a_damaged_secret_is_not_used_and_not_replaced(monkeypatch, tmp_path, content):
    monkeypatch.delenv("TOKEN_PEPPER", raising=False)
    (tmp_path / "token_pepper").write_bytes(content)

    with pytest.raises(ImproperlyConfigured) as refusal:
        env.secret("TOKEN_PEPPER", tmp_path)

    assert str(tmp_path / "token_pepper") in str(refusal.value)
    assert (tmp_path / "token_pepper").read_bytes() == content


@pytest.mark.parametrize("content", [b"\xd0\xff", None])
def test_a_file_that_cannot_be_read_is_named(monkeypatch, tmp_path, content):
    file = tmp_path / "key"
    if content is not None:
        file.write_bytes(content)
    monkeypatch.setenv("SECRET_KEY_FILE", str(file))

    with pytest.raises(ImproperlyConfigured, match="SECRET_KEY_FILE"):
        env.secret("SECRET_KEY", tmp_path)


def test_a_data_folder_that_is_a_file_is_refused(monkeypatch, tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    monkeypatch.setenv("DATA_DIR", str(file))

    with pytest.raises(ImproperlyConfigured, match="DATA_DIR"):
        env.data_dir(tmp_path)


def test_numbers_words_and_web_urls(monkeypatch):
    monkeypatch.setenv("LOG_LEVEL", "info")
    monkeypatch.setenv("PORTAL_URL", "https://portal.example.com/")
    monkeypatch.setenv("PORT", "")

    assert env.log_level("LOG_LEVEL", "WARNING") == "INFO"
    assert env.web_url("PORTAL_URL", "") == "https://portal.example.com"
    assert env.number("PORT", 8000) == 8000


def test_email_url_is_decoded(monkeypatch):
    monkeypatch.setenv("EMAIL_URL", f"smtp://{ENCODED}:{ENCODED}@mail.example.com")

    email = env.email(Path("/nowhere"))

    assert email["EMAIL_HOST_USER"] == email["EMAIL_HOST_PASSWORD"] == RESERVED
    assert email["EMAIL_HOST"] == "mail.example.com"


@pytest.mark.parametrize(
    ("url", "port", "ssl", "starttls"),
    [
        ("smtp://mail.example.com", 587, False, False),
        ("smtp+tls://mail.example.com:25", 25, False, True),
        ("smtps://mail.example.com", 465, True, False),
    ],
)
def test_the_scheme_of_email_url_chooses_port_and_encryption(
    monkeypatch, url, port, ssl, starttls
):
    monkeypatch.setenv("EMAIL_URL", url)

    email = env.email(Path("/nowhere"))

    assert email["EMAIL_PORT"] == port
    assert (email["EMAIL_USE_SSL"], email["EMAIL_USE_TLS"]) == (ssl, starttls)


def test_database_url_is_decoded(monkeypatch):
    url = (
        f"postgres://{ENCODED}:{ENCODED}@db.example.com:5433/{ENCODED}?sslmode=require"
    )
    monkeypatch.setenv("DATABASE_URL", url)

    database = env.database(Path("/nowhere"))

    assert database["USER"] == database["PASSWORD"] == database["NAME"] == RESERVED
    assert (database["HOST"], database["PORT"]) == ("db.example.com", 5433)
    assert database["OPTIONS"] == env.POSTGRESQL_OPTIONS | {"sslmode": "require"}


def test_database_url_can_turn_off_prepared_statements(monkeypatch):
    url = "postgres://db.example.com/tollgate?prepare_threshold=None"
    monkeypatch.setenv("DATABASE_URL", url)

    assert env.database(Path("/nowhere"))["OPTIONS"]["prepare_threshold"] is None


def test_database_url_can_name_the_folder_of_a_socket(monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgres://%2Fvar%2Frun%2Fpostgresql/tollgate")

    assert env.database(Path("/nowhere"))["HOST"] == "/var/run/postgresql"


def test_broker_url_is_decoded(monkeypatch):
    url = f"amqp://{ENCODED}:{ENCODED}@rabbit.example.com:5673/{ENCODED}"
    monkeypatch.setenv("BROKER_URL", url)

    broker = Connection(env.broker(Path("/nowhere"))["CELERY_BROKER_URL"])

    assert broker.userid == broker.password == broker.virtual_host == RESERVED
    assert (broker.hostname, broker.port) == ("rabbit.example.com", 5673)


@pytest.mark.parametrize("chosen, queue", [("", "celery"), ("second", "second")])
def test_an_installation_has_the_queue_that_is_named(monkeypatch, chosen, queue):
    monkeypatch.setenv("BROKER_URL", "amqp://rabbit.example.com//")
    monkeypatch.setenv("BROKER_QUEUE", chosen)

    settings = env.broker(Path("/nowhere"))

    assert settings["CELERY_TASK_DEFAULT_QUEUE"] == queue


@pytest.mark.parametrize("name", ["c#1", "q?x=1", "p%41", "a+b c"])
def test_sqlite_is_in_the_data_folder_whatever_its_name(monkeypatch, tmp_path, name):
    monkeypatch.delenv("DATABASE_URL", raising=False)
    folder = tmp_path / name
    folder.mkdir()
    wrapper = DatabaseWrapper(env.database(folder))

    sqlite3.connect(**wrapper.get_connection_params()).close()

    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (folder / "tollgate.sqlite3").exists()


def test_only_the_owner_can_read_what_a_process_of_the_portal_writes(tmp_path):
    written = tmp_path / "written"
    write = f"import portal.settings; open({str(written)!r}, 'w').close()"

    subprocess.run(
        [sys.executable, "-c", write],
        env=os.environ | {"DATA_DIR": str(tmp_path / "data")},
        umask=0o022,
        check=True,
    )

    assert written.stat().st_mode & 0o777 == 0o600
