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
    parser = argparse.ArgumentParser(
        prog="python -m products.edge",
        description="Forward and meter connections for a Tollgate portal.",
    )
    add = parser.add_argument
    add("--portal", required=True, metavar="URL", help="URL of the portal")
    add("--credential-file", required=True, metavar="FILE", help="this edge's secret")
    add(
        "--data-dir",
        required=True,
        metavar="DIR",
        help="route table, usage and access log",
    )
    add(
        "--name",
        default="edge-1",
        type=_edge_name,
        help="name of this edge, as in the portal",
    )
    add("--bind", default=("127.0.0.1", 8080), type=_address, metavar="HOST:PORT")
    add("--tls-certificates", default="", metavar="DIR", help="DOMAIN.pem files")
    add("--tls-port", default=0, type=int, metavar="PORT", help="0 = any free port")
    add(
        "--processes",
        default=1,
        type=int,
        metavar="N",
        help="worker processes, e.g. one per core",
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
        default="",
        metavar="FILE",
        help="trust these authorities instead of the public ones; for tests and private "
        "installations",
    )
    add(
        "--poll-seconds",
        default=1.0,
        type=float,
        help="between two requests for the route table",
    )
    add(
        "--report-seconds", default=5.0, type=float, help="between two reports of usage"
    )
    add(
        "--store-megabytes",
        default=2048,
        type=int,
        help="size of the usage store; when full, new WebSockets get 503",
    )
    add(
        "--take-over",
        action="store_true",
        help="start beside a running edge of this name and port, then drain that one",
    )
    add("--engine", default="embedded", choices=("embedded", "haproxy"))
    add("--haproxy", default="haproxy", metavar="PROGRAM", help="for that engine")
    add(
        "--haproxy-managed-by",
        default="agent",
        choices=("agent", "external"),
        help="who runs HAProxy: this program, or an external supervisor such as systemd",
    )
    for limit in fields(Limits):
        flag = "--" + limit.name.replace("_", "-")
        add(flag, type=type(limit.default), default=limit.default, help="(limit)")
    given = parser.parse_args(arguments)
    if given.processes < 1 or min(given.poll_seconds, given.report_seconds) <= 0:
        parser.error("--processes and the intervals must be above 0")
    if given.take_over and given.engine != "embedded":
        parser.error("--take-over is for the embedded engine; HAProxy reloads itself")
    return Settings(
        name=given.name,
        portal=given.portal,
        credential_file=given.credential_file,
        data_folder=given.data_dir,
        bind=given.bind[0],
        port=given.bind[1],
        tls_port=given.tls_port,
        certificate_folder=given.tls_certificates,
        processes=given.processes,
        take_over=given.take_over,
        allow_private=tuple(given.allow_private),
        ca_file=given.ca_file,
        poll_seconds=given.poll_seconds,
        report_seconds=given.report_seconds,
        store_bytes=given.store_megabytes * 1024**2,
        limits=Limits(**{one.name: getattr(given, one.name) for one in fields(Limits)}),
        engine=given.engine,
        haproxy=given.haproxy,
        haproxy_managed_by=given.haproxy_managed_by,
    )


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


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > MAX_PORT:
        raise argparse.ArgumentTypeError("must be HOST:PORT")
    return host.strip("[]") or "127.0.0.1", int(port)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
