"""`manage.py edge`: reads the settings, then replaces this process with the edge."""

import os
import sys
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

FIRST_NAME = "edge-1"  # the edge that `make run` starts


def data_folder(name: str) -> Path:
    """Return the data folder of an edge on this machine."""
    own = "edge" if name == FIRST_NAME else f"edges/{name}"
    return Path(settings.DATA_DIR) / own


def credential_file(name: str) -> Path:
    """Return the file with the credential of an edge on this machine."""
    own = "" if name == FIRST_NAME else f"-{name}"
    return Path(settings.DATA_DIR) / "secrets" / f"edge_credential{own}"


class Command(BaseCommand):
    """Replace this process with `python -m products.edge`."""

    help = (
        "Runs an edge beside the portal. The settings become its options; options given here "
        "follow and override them. `python -m products.edge --help` lists them."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the name, which selects folder and credential."""
        parser.add_argument("--name", default=FIRST_NAME, help="the edge's name")
        parser.add_argument(
            "--credential-file", metavar="FILE", help="where its secret lies"
        )

    def run_from_argv(self, argv: list[str]) -> None:
        """Pass on the options that only the edge knows."""
        parser = self.create_parser(argv[0], argv[1])
        known, others = parser.parse_known_args(argv[2:])
        self.handle(*others, **vars(known))

    def handle(self, *args: str, **options: Any) -> None:
        """Start the edge; does not return."""
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
    """Return the command line of an edge on this machine; later options override earlier ones."""
    own = {
        "--portal": settings.EDGE_API_URL,
        "--credential-file": str(credential),
        "--bind": f"127.0.0.1:{settings.EDGE_PORT}",
        "--data-dir": str(data_folder(name)),
        "--name": name,
    }
    if settings.ORIGIN_CA_FILE:
        own["--ca-file"] = settings.ORIGIN_CA_FILE
    command = [sys.executable, "-m", "products.edge", *chain(*own.items())]
    for network in settings.PRIVATE_ORIGINS:
        command += ["--allow-private", str(network)]
    return [*command, *options]
