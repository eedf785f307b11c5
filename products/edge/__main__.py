"""Runs an edge; `python -m products.edge --help` lists the options."""

import argparse
import asyncio
import contextlib
import logging
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import fields

from products.edge.errors import StartupError
from products.edge.haproxy.agent import is_haproxy_running, run_haproxy_engine
from products.edge.portal import PortalLink
from products.edge.proxy.control import ControlProcess
from products.edge.settings import Limits, Settings
from products.edge.startup import FolderLock, bind_ports, portal_client
from products.protocol import MAX_PORT

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,62}")


def parse_arguments(arguments: Sequence[str]) -> Settings:
    """Read the command line. Exits with a sentence if it is wrong."""
    parser = _parser()
    given = vars(parser.parse_args(arguments))
    given["bind"], given["port"] = given["bind"]
    given["allow_private"] = tuple(given["allow_private"])
    limits = Limits(**{limit.name: given.pop(limit.name) for limit in fields(Limits)})
    settings = Settings(**given, limits=limits)
    intervals = settings.poll_seconds, settings.report_seconds
    if settings.processes < 1 or min(intervals) <= 0:
        parser.error("--processes and the intervals must be above 0")
    if settings.take_over and settings.engine != "embedded":
        parser.error("--take-over is for the embedded engine; HAProxy reloads itself")
    return settings


def _parser() -> argparse.ArgumentParser:
    """Return the parser; an option's destination is a field of Settings or Limits."""
    parser = argparse.ArgumentParser(
        prog="python -m products.edge",
        description="Forward and meter connections for a Tollgate portal.",
        argument_default=argparse.SUPPRESS,  # the defaults are those of Settings
    )
    add = parser.add_argument
    add("--portal", required=True, metavar="URL", help="URL of the portal")
    add("--credential-file", required=True, metavar="FILE", help="this edge's secret")
    add(
        "--data-dir",
        required=True,
        metavar="DIR",
        dest="data_folder",
        help="route table, usage and access log",
    )
    add(
        "--name",
        default="edge-1",
        type=_edge_name,
        help="name of this edge, as in the portal",
    )
    add("--bind", default=("127.0.0.1", 8080), type=_address, metavar="HOST:PORT")
    add(
        "--tls-certificates",
        metavar="DIR",
        dest="certificate_folder",
        help="DOMAIN.pem files",
    )
    add("--tls-port", type=int, metavar="PORT", help="0 = any free port")
    add(
        "--processes", type=int, metavar="N", help="worker processes, e.g. one per core"
    )
    add(
        "--allow-private",
        action="append",
        default=[],
        metavar="NETWORK",
        help="a private network that origins may be in; can be repeated",
    )
    add(
        "--ca-file",
        metavar="FILE",
        help="trust these authorities instead of the public ones; for tests and private "
        "installations",
    )
    add("--poll-seconds", type=float, help="between two requests for the route table")
    add("--report-seconds", type=float, help="between two reports of usage")
    add(
        "--store-megabytes",
        type=_megabytes,
        dest="store_bytes",
        help="size of the usage store; when full, new WebSockets get 503",
    )
    add(
        "--take-over",
        action="store_true",
        help="start beside a running edge of this name and port, then drain that one",
    )
    add("--engine", choices=("embedded", "haproxy"))
    add("--haproxy", metavar="PROGRAM", help="for that engine")
    add(
        "--haproxy-managed-by",
        choices=("agent", "external"),
        help="who runs HAProxy: this program, or an external supervisor such as systemd",
    )
    for limit in fields(Limits):
        flag = "--" + limit.name.replace("_", "-")
        add(flag, type=type(limit.default), default=limit.default, help="(limit)")
    return parser


def main(arguments: Sequence[str]) -> int:
    """Run an edge until it is stopped, and return the exit code."""
    settings = parse_arguments(arguments)
    os.umask(0o077)  # what the edge writes is for its own user alone
    logging.basicConfig(
        level=logging.INFO, format="edge %(process)d: %(levelname)s: %(message)s"
    )
    # Otherwise the environment would decide which origins are trusted.
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        os.environ.pop(name, None)
    try:
        client = portal_client(settings)
        with contextlib.closing(FolderLock(settings)) as lock:
            # HAProxy outlives its agent and keeps the ports.
            has_ports = settings.engine == "haproxy" and is_haproxy_running(settings)
            is_alone = lock.is_held and not has_ports
            settings, held = bind_ports(
                settings, is_alone=is_alone, is_restart=lock.is_restart
            )
            portal = PortalLink(settings, client)
            if settings.engine == "haproxy":
                run_haproxy_engine(settings, portal, held)
            else:
                asyncio.run(ControlProcess(settings, portal, held, lock).run())
    except StartupError as error:
        sys.stderr.write(f"edge {settings.name}: {error}\n")
        return 1
    return 0


def _edge_name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise argparse.ArgumentTypeError("letters, digits and hyphens, at most 63")
    return text


def _megabytes(text: str) -> int:
    return int(text) * 1024**2


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > MAX_PORT:
        raise argparse.ArgumentTypeError("must be HOST:PORT")
    return host.strip("[]") or "127.0.0.1", int(port)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
