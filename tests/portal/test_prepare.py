"""Preparing the database and the data folder, before the portal's programs start."""

import json
from datetime import timedelta

import pytest
from django.core.management import CommandError

from accounts.actor import Actor, Interface
from accounts.audit.models import AuditEvent
from accounts.models import Account, User
from portal import prepare
from portal.backup import KEYS
from portal.prepare import OtherInstallationError, ensure_edge_credential
from products.catalogue.models import Product
from products.metering.commands import revoke_credential
from products.metering.models import Edge
from products.metering.queries import edge_of
from tests.factories import NOW


@pytest.fixture
def folder(settings, tmp_path):
    """Give the portal a data folder of its own."""
    settings.DATA_DIR = tmp_path / "data"
    settings.DATA_DIR.mkdir(mode=0o700)
    settings.STATIC_ROOT = settings.DATA_DIR / "static"
    settings.PRODUCTION = False
    return settings.DATA_DIR


@pytest.mark.django_db
def test_an_empty_database_gets_the_catalogue_the_demo_and_a_credential(folder):
    prepare.prepare()

    credential = (folder / "secrets" / "edge_credential").read_text().strip()
    people = json.loads((folder / "demo.json").read_text())["people"]
    assert set(Account.objects.values_list("name", flat=True)) == {"Acme", "Globex"}
    assert {person["login"] for person in people.values()} == set(
        User.objects.values_list("email", flat=True)
    )
    assert Product.objects.filter(pk="websockets").exists()
    assert edge_of(credential, address="127.0.0.1", now=NOW).name == "edge-1"


@pytest.mark.django_db
def test_a_second_start_changes_nothing(folder):
    prepare.prepare()
    before = (
        AuditEvent.objects.count(),
        (folder / "demo.json").read_text(),
        (folder / "secrets" / "edge_credential").read_text(),
    )

    prepare.prepare()

    assert before == (
        AuditEvent.objects.count(),
        (folder / "demo.json").read_text(),
        (folder / "secrets" / "edge_credential").read_text(),
    )


@pytest.mark.django_db
@pytest.mark.parametrize("name", KEYS)
def test_a_database_that_was_used_with_another_secret_is_not_used(
    folder, settings, name
):
    prepare.prepare()
    setattr(settings, name, "another-value-of-this-secret-987654")

    with pytest.raises(OtherInstallationError, match=f"{name} is not the one"):
        prepare.prepare()


@pytest.mark.django_db
def test_all_secrets_that_are_not_those_of_the_database_are_named(folder, settings):
    prepare.prepare()
    for name in KEYS:
        setattr(settings, name, "another-value-of-this-secret-987654")

    with pytest.raises(OtherInstallationError) as refusal:
        prepare.prepare()

    assert [f"{name} is not the one" in str(refusal.value) for name in KEYS] == [
        True for _ in KEYS
    ]


@pytest.mark.django_db
def test_a_database_with_accounts_gets_no_demo(folder, acme):
    prepare.prepare()

    assert list(Account.objects.values_list("name", flat=True)) == ["Acme"]
    assert not (folder / "demo.json").exists()
    assert (folder / "secrets" / "edge_credential").exists()


@pytest.mark.django_db
def test_production_gets_static_files_and_no_demo(folder, settings):
    settings.PRODUCTION = True

    prepare.prepare()

    assert not Account.objects.exists()
    assert (folder / "static" / "css" / "portal.css").exists()


@pytest.mark.django_db
def test_only_the_owner_can_read_the_secrets(folder):
    secrets = folder / "secrets"
    secrets.mkdir(mode=0o755)
    (secrets / "secret_key").touch(mode=0o644)

    prepare.prepare()

    modes = {path.name: path.stat().st_mode & 0o777 for path in secrets.iterdir()}
    assert secrets.stat().st_mode & 0o777 == 0o700
    assert modes == {"secret_key": 0o600, "edge_credential": 0o600}
    assert (folder / "demo.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.django_db
def test_a_credential_of_another_database_is_replaced(tmp_path, now):
    path = tmp_path / "secrets" / "edge_credential"
    path.parent.mkdir()
    path.write_text("of-another-database\n")

    ensure_edge_credential(path, now=now)

    assert edge_of(path.read_text().strip(), address="", now=now) == Edge.objects.get()


@pytest.mark.django_db
def test_a_revoked_credential_is_not_replaced(tmp_path, now):
    path = tmp_path / "edge_credential"
    ensure_edge_credential(path, now=now)
    revoked = path.read_text()
    actor = Actor.system("edge-credential", interface=Interface.COMMAND)
    revoke_credential(actor, name="edge-1", now=now + timedelta(minutes=1))

    ensure_edge_credential(path, now=now + timedelta(minutes=2))

    assert path.read_text() == revoked
    assert edge_of(revoked.strip(), address="", now=now) is None


def test_a_credential_that_soon_expires_is_replaced_while_the_old_one_still_works(
    tmp_path, now, db
):
    path = tmp_path / "credential"
    ensure_edge_credential(path, now=now)
    old = path.read_text()
    later = now + timedelta(days=340)

    ensure_edge_credential(path, now=now + timedelta(days=300))
    assert path.read_text() == old
    ensure_edge_credential(path, now=later)

    new = path.read_text()
    assert new != old
    for each in (old, new):
        assert edge_of(each.strip(), address="", now=later).name == "edge-1"


@pytest.mark.django_db
def test_a_lost_token_pepper_is_noticed(tmp_path, now, settings):
    path = tmp_path / "edge_credential"
    ensure_edge_credential(path, now=now)
    settings.TOKEN_PEPPER = "x" * 64

    with pytest.raises(OtherInstallationError):
        ensure_edge_credential(path, now=now + timedelta(minutes=1))


@pytest.mark.django_db
def test_a_second_installation_does_not_take_the_edge_of_the_first(tmp_path, now):
    first, second = tmp_path / "1" / "edge_credential", tmp_path / "2" / "credential"
    ensure_edge_credential(first, now=now)

    with pytest.raises(OtherInstallationError) as refusal:
        ensure_edge_credential(second, now=now + timedelta(minutes=1))

    assert "edge_credential edge-1 --revoke" in str(refusal.value)
    assert not second.exists()
    assert edge_of(first.read_text().strip(), address="", now=now).name == "edge-1"


@pytest.mark.django_db
def test_the_demo_is_not_loaded_if_its_domain_must_be_verified(folder, settings):
    settings.DOMAIN_VERIFICATION = "dns"

    with pytest.raises(CommandError, match="DOMAIN_VERIFICATION=off"):
        prepare.prepare()

    assert not Account.objects.exists()
