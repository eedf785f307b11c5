"""`manage.py edge`: read the settings, then become the edge; nothing of Django stays."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

FIRST_NAME = "edge-1"  # of the edge that `make run` starts


def data_folder(name: str) -> Path:
    """Return where an edge of this machine keeps what it writes."""
    own = "edge" if name == FIRST_NAME else f"edges/{name}"
    return Path(settings.DATA_DIR) / own


def credential_file(name: str) -> Path:
    """Return where the secret of an edge of this machine lies."""
    own = "" if name == FIRST_NAME else f"-{name}"
    return Path(settings.DATA_DIR) / "secrets" / f"edge_credential{own}"


class Command(BaseCommand):
    """Replace this process with `python -m products.edge`."""

    help = (
        "Runs an edge beside the portal: the settings become its options, and every option that "
        "is given here is given to it after them. `python -m products.edge --help` names all."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the name, by which folder and credential go."""
        parser.add_argument("--name", default=FIRST_NAME, help="the edge's name")
        parser.add_argument(
            "--credential-file", metavar="FILE", help="where its secret lies"
        )

    def run_from_argv(self, argv: list[str]) -> None:
        """Carry it out, with the options that only the edge knows."""
        parser = self.create_parser(argv[0], argv[1])
        known, others = parser.parse_known_args(argv[2:])
        self.handle(*others, **vars(known))

    def handle(self, *args: str, **options: Any) -> None:
        """Carry it out; does not return."""
        name = options["name"]
        credential = Path(options["credential_file"] or credential_file(name))
        if not credential.exists():
            self.stderr.write(
                f"{name} has no credential yet. On the portal's machine: "
                f"(umask 077; manage.py edge_credential {name} > {credential})"
            )
        command = command_of(name, credential, args)
        os.execv(sys.executable, command)  # noqa: S606 - our own program, no shell


def command_of(name: str, credential: Path, options: Sequence[str]) -> list[str]:
    """Return how an edge of this machine is started; what is given last counts."""
    command = [
        sys.executable,
        "-m",
        "products.edge",
        "--portal",
        settings.PORTAL_URL,
        "--credential-file",
        str(credential),
        "--bind",
        f"127.0.0.1:{settings.EDGE_PORT}",
        "--data-dir",
        str(data_folder(name)),
        "--name",
        name,
    ]
    for network in settings.PRIVATE_ORIGINS:
        command += ["--allow-private", str(network)]
    if settings.ORIGIN_CA_FILE:
        command += ["--ca-file", settings.ORIGIN_CA_FILE]
    return [*command, *options]
