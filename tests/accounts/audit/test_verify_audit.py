"""`manage.py verify_audit`: its output and its exit codes."""

import json
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import DatabaseError, connection

from accounts.audit import triggers
from accounts.audit.management.commands import verify_audit
from accounts.audit.models import AuditEvent
from tests.accounts.audit.writing import BILLED, ENABLED, NOON, write

NO_CHECKPOINT = (
    "No checkpoint yet: a truncated or completely rewritten chain cannot be detected."
)


@pytest.fixture
def broken(db):
    """Two chains, of which Acme's is altered at its second entry."""
    write("acme", ENABLED, BILLED)
    write("globex")
    triggers.remove(connection)
    AuditEvent.objects.filter(account_id="acme", sequence=2).update(actor_label="Eve")
    triggers.install(connection)


@pytest.mark.django_db
def test_valid_chains_are_counted(capsys):
    write("acme", ENABLED, BILLED)
    write("globex")

    call_command("verify_audit")

    assert capsys.readouterr().out == f"OK: 3 entries in 2 chains.\n{NO_CHECKPOINT}\n"


@pytest.mark.django_db
def test_entries_of_a_clock_that_was_behind_are_counted_and_valid(capsys):
    write(at=NOON)
    for seconds in (2, 3, 3600):
        write(at=NOON - timedelta(seconds=seconds))

    call_command("verify_audit")

    assert capsys.readouterr().out == (
        "OK: 4 entries in 1 chain.\n"
        "CLOCK: 2 entries were written while the clock was more than 2 s behind the entry "
        f"before. Their order is right, their time is not.\n{NO_CHECKPOINT}\n"
    )


@pytest.mark.django_db
def test_an_empty_trail_is_valid(capsys):
    call_command("verify_audit")

    assert capsys.readouterr().out == f"OK: 0 entries in 0 chains.\n{NO_CHECKPOINT}\n"


def test_a_broken_chain_is_reported_with_its_first_invalid_entry(broken, capsys):
    with pytest.raises(SystemExit) as end:
        call_command("verify_audit")

    assert end.value.code == 1
    assert capsys.readouterr().out == (
        "acme entry 2: its column actor_label differs from its text.\n"
        f"BROKEN: 1 of 2 chains.\n{NO_CHECKPOINT}\n"
    )


def test_one_account_is_verified_alone(broken, capsys):
    call_command("verify_audit", account="globex")

    assert capsys.readouterr().out == f"OK: 1 entry in 1 chain.\n{NO_CHECKPOINT}\n"


def test_the_result_is_available_as_json(broken, capsys):
    with pytest.raises(SystemExit) as end:
        call_command("verify_audit", "--json")

    assert end.value.code == 1
    assert json.loads(capsys.readouterr().out) == {
        "is_valid": False,
        "checkpoint": None,
        "chains": [
            {
                "account_id": "acme",
                "is_valid": False,
                "checked": 1,
                "first_invalid": 2,
                "reason": "its column actor_label differs from its text",
                "wrong_clocks": 0,
            },
            {
                "account_id": "globex",
                "is_valid": True,
                "checked": 1,
                "first_invalid": None,
                "reason": "",
                "wrong_clocks": 0,
            },
        ],
    }


@pytest.mark.django_db
def test_missing_triggers_make_a_valid_chain_fail(capsys):
    write("acme")
    triggers.remove(connection)

    with pytest.raises(SystemExit) as end:
        call_command("verify_audit")

    assert end.value.code == 1
    assert capsys.readouterr().out.startswith(
        "acme: triggers missing on audit_auditevent: "
    )


@pytest.mark.django_db
def test_an_account_without_a_chain_cannot_be_verified(capsys):
    with pytest.raises(SystemExit) as end:
        call_command("verify_audit", account="unknown")

    assert end.value.code == 2
    assert capsys.readouterr().err == "Cannot verify: no chain for unknown.\n"


def test_an_unreadable_database_cannot_be_verified(monkeypatch, capsys):
    def unreadable():
        raise DatabaseError("disk I/O error")

    monkeypatch.setattr(verify_audit, "accounts_with_trail", unreadable)

    with pytest.raises(SystemExit) as end:
        call_command("verify_audit")

    assert end.value.code == 2
    assert capsys.readouterr().err == "Cannot verify: disk I/O error\n"
