"""Rotation of the installation's secrets: earlier values count for a while."""

from datetime import UTC, datetime, timedelta

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.test import Client

from accounts.models import ApiToken, User
from accounts.tokens import digest
from portal import env
from tests.factories.keys import key_of
from tests.factories.trail import noted

NOW = datetime(2026, 11, 22, tzinfo=UTC)
LATER = NOW + timedelta(days=30)
NAME = "SOME_KEY"


def test_an_earlier_secret_counts_until_its_time(tmp_path):
    first = env.secret(NAME, tmp_path)
    env.rotate_secret(NAME, tmp_path, until=LATER)
    second = env.secret(NAME, tmp_path)
    env.rotate_secret(NAME, tmp_path, until=LATER + timedelta(days=1))

    assert len({first, second, env.secret(NAME, tmp_path)}) == 3
    assert env.fallbacks(NAME, tmp_path, NOW) == [second, first]
    assert env.fallbacks(NAME, tmp_path, LATER) == [second]
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}
    assert len(list(tmp_path.iterdir())) == 2


def test_earlier_values_of_the_environment_count_too(tmp_path, monkeypatch):
    monkeypatch.setenv(f"{NAME}_FALLBACKS", "one, two")

    assert env.fallbacks(NAME, tmp_path, NOW) == ["one", "two"]


def test_a_secret_that_is_elsewhere_is_not_rotated_and_a_new_one_is_proposed(
    tmp_path, monkeypatch
):
    env.secret(NAME, tmp_path)
    monkeypatch.setenv(NAME, "from-the-environment")

    with pytest.raises(
        ImproperlyConfigured, match=r"SOME_KEY_FALLBACKS .* such as: \S{64}"
    ):
        env.rotate_secret(NAME, tmp_path, until=LATER)


def test_the_command_says_what_to_do_next_and_is_recorded(
    db, settings, tmp_path, monkeypatch, capsys
):
    monkeypatch.delenv("TOKEN_PEPPER", raising=False)
    settings.DATA_DIR = tmp_path
    env.secret("TOKEN_PEPPER", tmp_path / "secrets")

    call_command("rotate_key", "TOKEN_PEPPER", days=7)

    assert "manage.py edge_credential" in capsys.readouterr().out
    assert noted("platform") == ["key.rotated"]
    with pytest.raises(CommandError, match="SECRET_KEY is not in"):
        call_command("rotate_key", "SECRET_KEY")


def test_after_a_rotation_sessions_live_and_a_used_token_gets_the_new_pepper(
    settings, sam, shop
):
    key = key_of(sam)
    browser = Client()
    browser.force_login(User.objects.get(pk=sam.user_id))

    for name in ("SECRET_KEY", "TOKEN_PEPPER"):
        setattr(settings, f"{name}_FALLBACKS", [getattr(settings, name)])
        setattr(settings, name, f"a-new-value-of-{name}")
    page = browser.get("/")
    called = Client(headers={"Fastly-Key": key}).get("/api/service")
    settings.TOKEN_PEPPER_FALLBACKS = []
    again = Client(headers={"Fastly-Key": key}).get("/api/service")

    assert (page.status_code, called.status_code, again.status_code) == (200, 200, 200)
    assert ApiToken.objects.filter(digest=digest(key)).exists()
