"""`manage.py verify_audit`: what it says, and the code it ends with."""

import json

import pytest
from django.core.management import call_command
from django.db import DatabaseError, connection

from accounts.audit import triggers
from accounts.audit.management.commands import verify_audit
from accounts.audit.models import AuditEvent
from tests.accounts.audit.writing import BILLED, ENABLED, write

NO_CHECKPOINT = "No checkpoint yet: a tail cut off with its head, or a chain rewritten whole, cannot be seen."


@pytest.fixture
def broken(db):
    """Two chains, of which Acme's was altered at its second event."""
    write("acme", ENABLED, BILLED)
    write("globex")
    triggers.remove(connection)
    AuditEvent.objects.filter(account_id="acme", sequence=2).update(actor_label="Eve")
    triggers.install(connection)


@pytest.mark.django_db
def test_sound_chains_are_counted(capsys):
    write("acme", ENABLED, BILLED)
    write("globex")

    call_command("verify_audit")

    assert capsys.readouterr().out == f"Sound: 3 events in 2 chains.\n{NO_CHECKPOINT}\n"


@pytest.mark.django_db
def test_a_trail_not_begun_is_sound(capsys):
    call_command("verify_audit")

    assert capsys.readouterr().out == f"Sound: 0 events in 0 chains.\n{NO_CHECKPOINT}\n"


def test_a_broken_chain_is_named_with_its_first_bad_event(broken, capsys):
    with pytest.raises(SystemExit) as end:
        call_command("verify_audit")

    assert end.value.code == 1
    assert capsys.readouterr().out == (
        "acme event 2: its column actor_label differs from its text.\n"
        f"BROKEN: 1 of 2 chains.\n{NO_CHECKPOINT}\n"
    )


def test_one_account_is_verified_alone(broken, capsys):
    call_command("verify_audit", account="globex")

    assert capsys.readouterr().out == f"Sound: 1 event in 1 chain.\n{NO_CHECKPOINT}\n"


def test_the_answer_comes_in_json_too(broken, capsys):
    with pytest.raises(SystemExit) as end:
        call_command("verify_audit", "--json")

    assert end.value.code == 1
    assert json.loads(capsys.readouterr().out) == {
        "sound": False,
        "checkpoint": None,
        "chains": [
            {
                "account_id": "acme",
                "sound": False,
                "checked": 1,
                "first_bad": 2,
                "reason": "its column actor_label differs from its text",
            },
            {
                "account_id": "globex",
                "sound": True,
                "checked": 1,
                "first_bad": None,
                "reason": "",
            },
        ],
    }


@pytest.mark.django_db
def test_missing_triggers_break_a_trail_that_is_otherwise_sound(capsys):
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
        call_command("verify_audit", account="nobody")

    assert end.value.code == 2
    assert capsys.readouterr().err == "Could not verify: no chain of nobody.\n"


def test_a_database_that_does_not_answer_cannot_be_verified(monkeypatch, capsys):
    def unreadable():
        raise DatabaseError("disk I/O error")

    monkeypatch.setattr(verify_audit, "accounts_with_trail", unreadable)

    with pytest.raises(SystemExit) as end:
        call_command("verify_audit")

    assert end.value.code == 2
    assert capsys.readouterr().err == "Could not verify: disk I/O error\n"
