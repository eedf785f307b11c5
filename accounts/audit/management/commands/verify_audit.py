"""`manage.py verify_audit`: tell whether the trail is as it was written."""

import dataclasses
import json
import sys
from argparse import ArgumentParser
from collections.abc import Sequence

from django.core.management.base import BaseCommand
from django.db import Error

from accounts.audit.queries import VerificationResult, accounts_with_trail, verify

SOUND, BROKEN, IMPOSSIBLE = 0, 1, 2
NO_CHECKPOINT = "No checkpoint yet: a tail cut off with its head, or a chain rewritten whole, cannot be seen."


class Command(BaseCommand):
    """Verify one chain or all; exit 0 where sound, 1 where broken, 2 where it could not be carried out."""

    help = "Verify the audit trail: every hash, link, number, copied column, and the triggers."
    # A missing trigger is this command's to report, with its own exit code.
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the account and the form of the answer."""
        parser.add_argument(
            "--account", help="one account's id, or `platform`; else every chain"
        )
        parser.add_argument("--json", action="store_true", help="answer in JSON")

    def handle(self, *, account: str | None, json: bool, **_: object) -> None:
        """Verify, print, and exit with the code that tells the outcome."""
        try:
            known = accounts_with_trail()
            verdicts = [verify(each) for each in known if account in {None, each}]
        except Error as error:
            self.stderr.write(f"Could not verify: {error}")
            sys.exit(IMPOSSIBLE)
        if account is not None and not verdicts:
            self.stderr.write(f"Could not verify: no chain of {account}.")
            sys.exit(IMPOSSIBLE)
        self.stdout.write(_as_json(verdicts) if json else _in_words(verdicts))
        if not all(verdict.sound for verdict in verdicts):
            sys.exit(BROKEN)


def _as_json(verdicts: Sequence[VerificationResult]) -> str:
    chains = [dataclasses.asdict(verdict) for verdict in verdicts]
    sound = all(verdict.sound for verdict in verdicts)
    return json.dumps({"sound": sound, "checkpoint": None, "chains": chains}, indent=2)


def _in_words(verdicts: Sequence[VerificationResult]) -> str:
    checked = sum(verdict.checked for verdict in verdicts)
    broken = [verdict for verdict in verdicts if not verdict.sound]
    lines = [_fault(verdict) for verdict in broken]
    if broken:
        lines.append(f"BROKEN: {len(broken)} of {_count(len(verdicts), 'chain')}.")
    else:
        lines.append(
            f"Sound: {_count(checked, 'event')} in {_count(len(verdicts), 'chain')}."
        )
    return "\n".join([*lines, NO_CHECKPOINT])


def _fault(verdict: VerificationResult) -> str:
    place = "" if verdict.first_bad is None else f" event {verdict.first_bad}"
    return f"{verdict.account_id}{place}: {verdict.reason}."


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
