"""`manage.py verify_audit`: verify the audit trail."""

import dataclasses
import json
import sys
from argparse import ArgumentParser
from collections.abc import Sequence

from django.core.management.base import BaseCommand
from django.db import Error

from accounts.audit.queries import VerificationResult, accounts_with_trail, verify

BROKEN, IMPOSSIBLE = 1, 2
NO_CHECKPOINT = (
    "No checkpoint yet: a truncated or completely rewritten chain cannot be detected."
)


class Command(BaseCommand):
    """Verify one chain or all; exit with 0 if valid, 1 if broken, 2 if they cannot be read."""

    help = "Verify the audit trail: every hash, link, number, copied column, and the triggers."
    # The command itself reports a missing trigger, with its own exit code.
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the options."""
        parser.add_argument(
            "--account", help="an account's id, or `platform`; default: every chain"
        )
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *, account: str | None, json: bool, **_: object) -> None:
        """Verify, print the results, and exit."""
        try:
            known = accounts_with_trail()
            results = [verify(each) for each in known if account in {None, each}]
        except Error as error:
            self.stderr.write(f"Cannot verify: {error}")
            sys.exit(IMPOSSIBLE)
        if account is not None and not results:
            self.stderr.write(f"Cannot verify: no chain for {account}.")
            sys.exit(IMPOSSIBLE)
        self.stdout.write(_as_json(results) if json else _as_text(results))
        if not all(result.is_valid for result in results):
            sys.exit(BROKEN)


def _as_json(results: Sequence[VerificationResult]) -> str:
    chains = [dataclasses.asdict(result) for result in results]
    is_valid = all(result.is_valid for result in results)
    return json.dumps(
        {"is_valid": is_valid, "checkpoint": None, "chains": chains}, indent=2
    )


def _as_text(results: Sequence[VerificationResult]) -> str:
    checked = sum(result.checked for result in results)
    broken = [result for result in results if not result.is_valid]
    lines = [_fault(result) for result in broken]
    if broken:
        lines.append(f"BROKEN: {len(broken)} of {_count(len(results), 'chain')}.")
    else:
        lines.append(
            f"OK: {_count(checked, 'entry', 'entries')} in {_count(len(results), 'chain')}."
        )
    wrong_clocks = sum(result.wrong_clocks for result in results)
    if wrong_clocks:
        lines.append(
            f"CLOCK: {_count(wrong_clocks, 'entry was', 'entries were')} written while the clock "
            "was more than 2 s behind the entry before. Their order is right, their time is not."
        )
    return "\n".join([*lines, NO_CHECKPOINT])


def _fault(result: VerificationResult) -> str:
    place = "" if result.first_invalid is None else f" entry {result.first_invalid}"
    return f"{result.account_id}{place}: {result.reason}."


def _count(number: int, singular: str, plural: str = "") -> str:
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"
