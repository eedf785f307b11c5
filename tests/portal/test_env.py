"""Settings from the environment: nonsense is named in one line, whatever the nonsense."""

from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from portal import env


@pytest.mark.parametrize(
    ("name", "value", "read"),
    [
        ("PORT", "abc", lambda: env.number("PORT", 1)),
        ("PORT", "٣", lambda: env.number("PORT", 1)),
        ("PRODUCTION", "maybe", lambda: env.flag("PRODUCTION", default=False)),
        ("PRIVATE_ORIGINS", "here", lambda: env.networks("PRIVATE_ORIGINS")),
        ("LOG_LEVEL", "loud", lambda: env.level("LOG_LEVEL", "WARNING")),
        ("PORTAL_URL", "portal", lambda: env.address("PORTAL_URL", "")),
        ("PORTAL_URL", "http://[::1", lambda: env.address("PORTAL_URL", "")),
        ("PORTAL_URL", "ftp://portal", lambda: env.address("PORTAL_URL", "")),
        ("EMAIL_URL", "foo", lambda: env.email(Path("/nowhere"))),
        ("EMAIL_URL", "smtp://host:abc", lambda: env.email(Path("/nowhere"))),
        ("EMAIL_URL", "smtp://host:99999", lambda: env.email(Path("/nowhere"))),
        ("EMAIL_URL", "smtp://[::1", lambda: env.email(Path("/nowhere"))),
        ("DATABASE_URL", "foo", lambda: env.database(Path("/nowhere"))),
        ("DATABASE_URL", "oracle://host/x", lambda: env.database(Path("/nowhere"))),
        ("BROKER_URL", "foo", lambda: env.broker(Path("/nowhere"))),
    ],
)
def test_nonsense_is_refused_with_the_name_of_the_setting(
    monkeypatch, name, value, read
):
    monkeypatch.setenv(name, value)

    with pytest.raises(ImproperlyConfigured) as refused:
        read()

    assert str(refused.value).startswith(name)
    assert "\n" not in str(refused.value)


def test_a_secrets_file_that_holds_no_text_is_refused(monkeypatch, tmp_path):
    held = tmp_path / "key"
    held.write_bytes(b"\xd0\xff")
    monkeypatch.setenv("SECRET_KEY_FILE", str(held))

    with pytest.raises(ImproperlyConfigured, match="SECRET_KEY_FILE"):
        env.secret("SECRET_KEY", tmp_path)


def test_a_data_folder_that_is_a_file_is_refused(monkeypatch, tmp_path):
    held = tmp_path / "file"
    held.write_text("")
    monkeypatch.setenv("DATA_DIR", str(held))

    with pytest.raises(ImproperlyConfigured, match="DATA_DIR"):
        env.data_dir(tmp_path)


def test_good_settings_are_read(monkeypatch, tmp_path):
    monkeypatch.setenv("LOG_LEVEL", "info")
    monkeypatch.setenv("PORTAL_URL", "https://portal.example.com/")
    monkeypatch.setenv("EMAIL_URL", "smtps://sam:pass@mail.example.com")
    monkeypatch.setenv("BROKER_URL", "amqp://guest:guest@127.0.0.1:5672//")
    monkeypatch.setenv("DATABASE_URL", "postgres://tollgate@127.0.0.1:5432/tollgate")

    assert env.level("LOG_LEVEL", "WARNING") == "INFO"
    assert env.address("PORTAL_URL", "") == "https://portal.example.com"
    assert env.email(tmp_path)["EMAIL_PORT"] == 465
    assert env.broker(tmp_path) == ("amqp://guest:guest@127.0.0.1:5672//", {})
    assert env.database(tmp_path)["NAME"] == "tollgate"
