"""What production refuses to start with."""

import subprocess
import sys
from ipaddress import ip_network
from pathlib import Path

import pytest
from django.core.checks import run_checks
from django.core.management import call_command

from portal.backup import KEYS
from portal.checks import refuse_unsafe_production
from tests.factories.accounts import UserFactory
from tests.factories.trail import noted

ROOT = Path(__file__).resolve().parents[2]
SECRET = "8Hc1vQ9sT0wLxJ4mZ7pK2dR5fN3gB6yA"


@pytest.fixture
def production(settings, tmp_path):
    """Set everything as production needs it."""
    settings.PRODUCTION = True
    settings.DATA_DIR = tmp_path
    tmp_path.chmod(0o700)
    settings.SECRET_KEY = SECRET
    settings.TOKEN_PEPPER = SECRET[::-1]
    settings.PORTAL_URL = "https://portal.test"
    settings.ALLOWED_HOSTS = ["portal.test"]
    settings.TRUSTED_PROXIES = 1
    settings.PRIVATE_ORIGINS = (ip_network("10.0.0.0/8"),)
    settings.SQLITE_IN_PRODUCTION = True
    return settings


def faults(databases=()):
    found = run_checks(include_deployment_checks=True, databases=databases)
    return {each.id for each in found if each.id.startswith("portal.")}


def test_safe_settings_have_no_fault(production):
    assert faults() == set()


@pytest.mark.parametrize(
    ("name", "value", "fault"),
    [
        ("SECRET_KEY", SECRET[:31], "portal.E003"),
        ("SECRET_KEY", "ab" * 40, "portal.E003"),
        ("TOKEN_PEPPER", "", "portal.E003"),
        ("TOKEN_PEPPER", SECRET, "portal.E004"),
        ("PORTAL_URL", "http://portal.test", "portal.E005"),
        ("ALLOWED_HOSTS", ["*"], "portal.E006"),
        ("ALLOWED_HOSTS", [".portal.test"], "portal.E006"),
        ("TRUSTED_PROXIES", 0, "portal.E007"),
        ("PRIVATE_ORIGINS", (ip_network("0.0.0.0/0"),), "portal.E008"),
        ("PRIVATE_ORIGINS", (ip_network("127.0.0.1/32"),), "portal.E008"),
        ("PRIVATE_ORIGINS", (ip_network("169.254.169.254/32"),), "portal.E008"),
        ("PRIVATE_ORIGINS", (ip_network("10.0.0.0/7"),), "portal.E008"),
        ("PRIVATE_ORIGINS", (ip_network("::/0"),), "portal.E008"),
        ("PRIVATE_ORIGINS", (ip_network("2001:db8::/32"),), "portal.E008"),
        ("LOG_LEVEL", "DEBUG", "portal.E009"),
    ],
)
def test_an_unsafe_setting_is_a_fault(production, name, value, fault):
    setattr(production, name, value)

    assert faults() == {fault}


def test_files_that_others_can_read_are_a_fault(production):
    folder = production.DATA_DIR
    folder.chmod(0o755)

    assert faults() == {"portal.E002"}


def test_the_demos_passwords_are_a_fault(production):
    (production.DATA_DIR / "demo.json").touch(mode=0o600)

    assert faults() == {"portal.E011"}


@pytest.mark.django_db
def test_the_demos_people_are_a_fault(production, capsys):
    UserFactory.create(email="sam@acme.example")

    with pytest.raises(SystemExit) as ended:
        refuse_unsafe_production()

    assert ended.value.code == 78
    assert capsys.readouterr().err.startswith("portal.E013: ")


@pytest.mark.django_db
def test_outside_production_only_a_secret_that_can_be_guessed_is_refused(
    production, capsys
):
    production.PRODUCTION = False
    production.TRUSTED_PROXIES = 0

    refuse_unsafe_production()
    production.TOKEN_PEPPER = SECRET[:31]
    with pytest.raises(SystemExit) as ended:
        refuse_unsafe_production()

    assert ended.value.code == 78
    assert capsys.readouterr().err.startswith(
        "portal.E003: TOKEN_PEPPER can be guessed"
    )


@pytest.mark.django_db
@pytest.mark.parametrize("name", KEYS)
def test_another_secret_than_the_databases_is_a_fault(production, name, capsys):
    refuse_unsafe_production()  # the first start
    earlier = getattr(production, name)
    setattr(production, name, "another-value-of-this-secret-987654")

    with pytest.raises(SystemExit) as ended:
        refuse_unsafe_production()
    fault = capsys.readouterr().err
    setattr(production, f"{name}_FALLBACKS", [earlier])
    refuse_unsafe_production()  # after a rotation
    setattr(production, f"{name}_FALLBACKS", [])

    assert ended.value.code == 78
    assert fault.startswith(f"portal.E014: {name} is not the one")
    refuse_unsafe_production()


@pytest.mark.django_db
def test_a_lost_secret_can_be_given_up(production):
    refuse_unsafe_production()
    production.TOKEN_PEPPER = "another-value-of-this-secret-987654"

    call_command("rotate_key", "TOKEN_PEPPER", accept=True)

    refuse_unsafe_production()
    assert noted("platform") == ["key.rotated"]


@pytest.mark.parametrize(
    "program",
    [
        ["-m", "portal.web_server"],
        ["-m", "portal.web_server", "--edges"],
        ["-m", "celery", "--app", "portal.celery", "worker", "--pool", "solo"],
        ["-m", "celery", "--app", "portal.celery", "beat"],
        ["manage.py", "run"],
    ],
    ids=lambda words: " ".join(words[:5]),
)
def test_every_program_refuses_to_start_and_names_each_fault(tmp_path, program):
    environment = {
        "PATH": "/usr/bin:/bin",
        "PRODUCTION": "1",
        "DATA_DIR": str(tmp_path),
        "SECRET_KEY": "x",
        "TOKEN_PEPPER": "y",
        "ALLOWED_HOSTS": "*",
        "PORTAL_URL": "http://portal.test",
        "PRIVATE_ORIGINS": "0.0.0.0/0",
        "LOG_LEVEL": "DEBUG",
    }
    ended = subprocess.run(  # noqa: PLW1510 - it must fail
        [sys.executable, *program],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert ended.returncode == 78, ended.stderr
    for number in (3, 5, 6, 7, 8, 9, 10):
        assert f"portal.E{number:03}: " in ended.stderr
