"""`manage.py edge`: read the settings, then become the edge; nothing of Django stays."""

import os
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

CREDENTIAL = "edge_credential"


class Command(BaseCommand):
    """Replace this process with `python -m products.edge`."""

    help = "Runs the edge: settings to arguments, nothing else."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Take what differs between edges of one machine."""
        parser.add_argument("--name", default="edge-1", help="the edge's name")
        parser.add_argument(
            "--processes", type=int, default=1, help="processes on the one port"
        )

        parser.add_argument(
            "--engine",
            choices=("embedded", "haproxy"),
            default="embedded",
            help="what carries the connections: this program, or HAProxy beside it",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Carry it out; does not return."""
        command = [
            sys.executable,
            "-m",
            "products.edge",
            "--portal",
            settings.PORTAL_URL,
            "--credential-file",
            str(settings.DATA_DIR / "secrets" / CREDENTIAL),
            "--bind",
            f"127.0.0.1:{settings.EDGE_PORT}",
            "--data-dir",
            str(settings.DATA_DIR / "edge"),
            "--name",
            options["name"],
            "--processes",
            str(options["processes"]),
            "--engine",
            options["engine"],
        ]
        for network in settings.PRIVATE_ORIGINS:
            command += ["--allow-private", str(network)]
        if settings.ORIGIN_CA_FILE:
            command += ["--ca-file", settings.ORIGIN_CA_FILE]
        os.execv(sys.executable, command)  # noqa: S606 - our own program, no shell
