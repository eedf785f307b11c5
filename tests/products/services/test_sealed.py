"""Secrets of parts are encrypted in the database; clones, pages and routes get them in plain."""

import pytest
from django.core.management import call_command
from django.db import connection

from accounts.encryption import MARK
from products.services.commands.items import ItemChange, Operation, change_items
from products.services.commands.parts import add_part, change_part
from products.services.commands.services import create_service
from products.services.commands.versions import clone_version
from products.services.kinds import KINDS
from products.services.models import Item, Part
from products.services.models.sealed import SECRET_FIELDS
from products.services.queries import get_version
from tests.factories import NOW

SECRET = "a-password-that-is-not-to-be-read"


@pytest.fixture
def version(eve, acme):
    service = create_service(eve, account=acme, name="vault", now=NOW)
    version = get_version(eve, service.pk, 1)
    add_part(
        eve,
        version=version,
        kind="logging/https",
        name="log",
        fields={"url": "https://logs.example.com", "header_value": SECRET},
        now=NOW,
    )
    return version


def stored():
    with connection.cursor() as cursor:
        cursor.execute("SELECT \"values\" FROM services_part WHERE name = 'log'")
        return [str(row[0]) for row in cursor.fetchall()]


def test_a_secret_is_encrypted_in_the_database_and_read_in_plain(version):
    [row] = stored()

    assert SECRET not in row
    assert MARK in row
    assert "https://logs.example.com" in row or "url" in SECRET_FIELDS
    assert Part.objects.get(name="log").values["header_value"] == SECRET


def test_a_clone_has_the_secret(eve, version):
    clone_version(eve, version=version, now=NOW)

    rows = Part.objects.filter(name="log")
    assert [row.values["header_value"] for row in rows] == [SECRET, SECRET]
    assert not any(SECRET in row for row in stored())


def test_a_part_that_was_stored_before_encryption_is_read_and_then_encrypted(version):
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE services_part SET \"values\" = %s WHERE name = 'log'",
            ['{"header_value": "plain"}'],
        )
    before = Part.objects.get(name="log").values

    call_command("rotate_encryption")

    assert before == {"header_value": "plain"}
    assert Part.objects.get(name="log").values == before
    assert not any('"plain"' in row for row in stored())


def test_a_new_key_reads_what_an_earlier_one_encrypted(version, settings):
    settings.ENCRYPTION_KEY_FALLBACKS = [settings.ENCRYPTION_KEY]
    settings.ENCRYPTION_KEY = "another key that is as long as it has to be"

    call_command("rotate_encryption")
    settings.ENCRYPTION_KEY_FALLBACKS = []

    assert Part.objects.get(name="log").values["header_value"] == SECRET


def test_every_secret_of_every_kind_is_encrypted():
    secrets = {
        field.name for kind in KINDS.values() for field in kind.fields if field.secret
    }

    assert {"ssl_client_key", "tls_client_key", "password", "token"} <= secrets
    assert secrets | {"item_value"} == SECRET_FIELDS


def texts_of(table):
    with connection.cursor() as cursor:
        cursor.execute(f'SELECT "values" FROM {table}')
        return " ".join(str(row[0]) for row in cursor.fetchall())


@pytest.fixture
def rule(eve, version):
    """Return a header rule that sends a credential to the origin."""
    return add_part(
        eve,
        version=version,
        kind="header",
        name="key",
        fields={
            "type": "request",
            "dst": "http.Authorization",
            "src": SECRET,
            "action": "set",
        },
        now=NOW,
    )


def test_the_value_of_a_secret_header_is_encrypted_and_cloned(eve, version, rule):
    clone_version(eve, version=version, now=NOW)

    assert SECRET not in texts_of("services_part")
    assert "http.Authorization" in texts_of("services_part")
    values = [row.values["src"] for row in Part.objects.filter(name="key")]
    assert values == [SECRET, SECRET]


def test_the_value_of_another_header_is_stored_as_it_is(eve, version, rule):
    change_part(
        eve,
        version=version,
        kind="header",
        name="key",
        changes={"dst": "http.X-Tenant", "src": "acme"},
        now=NOW,
    )

    assert '"acme"' in texts_of("services_part").replace("'", '"')
    assert Part.objects.get(name="key").values["src"] == "acme"


def test_the_items_of_a_dictionary_are_encrypted_and_get_a_new_key(
    eve, version, settings
):
    part = add_part(
        eve,
        version=version,
        kind="dictionary",
        name="keys",
        fields={"write_only": True},
        now=NOW,
    )
    change_items(
        eve,
        part=part,
        changes=[
            ItemChange(
                operation=Operation.CREATE, name="a", fields={"item_value": SECRET}
            )
        ],
        now=NOW,
    )
    before = texts_of("services_item")
    settings.ENCRYPTION_KEY_FALLBACKS = [settings.ENCRYPTION_KEY]
    settings.ENCRYPTION_KEY = "another key that is as long as it has to be"

    call_command("rotate_encryption")
    settings.ENCRYPTION_KEY_FALLBACKS = []

    assert SECRET not in before + texts_of("services_item")
    assert Item.objects.get().values["item_value"] == SECRET
