"""Runs an edge; `python -m products.edge --help` lists the options."""

import argparse
import asyncio
import contextlib
import logging
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import MISSING, Field, fields
from typing import Annotated, Any, Literal, get_args, get_origin

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
        argument_default=argparse.SUPPRESS,  # the defaults are those of Settings
    )
    for field in fields(Settings):
        if get_origin(field.type) is Annotated:
            _add_option(parser, field, *get_args(field.type))
    for field in fields(Limits):
        _add_option(parser, field, field.type, "limit")
    given = vars(parser.parse_args(arguments))
    if "bind" in given:
        given["bind"], given["port"] = given["bind"]
    given["allow_private"] = tuple(given.get("allow_private", ()))
    limits = {name: given.pop(name) for name in given.keys() & Limits.__slots__}
    settings = Settings(**given, limits=Limits(**limits))
    intervals = settings.poll_seconds, settings.report_seconds
    if settings.processes < 1 or min(intervals) <= 0:
        parser.error("--processes and the intervals must be above 0")
    if settings.take_over and settings.engine != "embedded":
        parser.error("--take-over is for the embedded engine; HAProxy reloads itself")
    return settings


def _add_option(
    parser: argparse.ArgumentParser, field: "Field[Any]", kind: Any, text: str
) -> None:
    """Add the option of a field of Settings or Limits, of its kind and name."""
    more: dict[str, Any] = {"type": _TYPES.get(field.name, kind)}
    if kind is bool:
        more = {"action": "store_true"}
    elif get_origin(kind) is Literal:
        more = {"choices": get_args(kind)}
    elif get_origin(kind) is tuple:
        more = {"action": "append"}
    is_required = field.default is MISSING
    if not is_required and field.default not in ("", (), False):
        text += f" (default: {field.default})"
    flag = "--" + field.name.replace("_", "-")
    parser.add_argument(flag, required=is_required, help=text, **more)


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


_TYPES = {"name": _edge_name, "bind": _address}  # stricter than the fields' own


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
