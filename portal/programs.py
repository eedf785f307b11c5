"""The programs that make up the portal, and how each is started."""

import logging
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from django.conf import settings

from portal.ports import LOOPBACK
from portal.supervise import Address, Program

# Celery's, meant for pickled messages, which this portal neither sends nor accepts.
ROOT_WARNING = "You're running the worker with superuser privileges"
TASK_PROCESSES = 1  # a sweep takes milliseconds; beat is a process beside it


def all_programs() -> list[Program]:
    """Return what `manage.py run` keeps running; the web first, since people wait for it."""
    demo = [echo_origin()] if (settings.DATA_DIR / "demo.json").exists() else []
    return [web(), edge(), *demo, worker()]


def web() -> Program:
    """Return the web server."""
    line = f"Portal  {settings.PORTAL_URL}"
    address = Address(LOOPBACK, settings.PORT, line)
    return Program("web", [sys.executable, "-m", "portal.web_server"], address)


def worker() -> Program:
    """Return the worker of the timetable's sweeps, with the clock that sends them."""
    words = (
        "-m celery --quiet --app portal.celery worker --beat "
        f"--concurrency {TASK_PROCESSES} --loglevel {logging.getLevelName(logging.root.level)} "
        "--without-gossip --without-mingle --without-heartbeat"
    )
    hushed = ["-W", f"ignore:{ROOT_WARNING}"]
    return Program("worker", [sys.executable, *hushed, *words.split()], quiet=True)


def edge() -> Program:
    """Return the edge."""
    command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "edge"]
    line = f"Edge    {settings.EDGE_URL}"
    return Program(
        "edge", command, Address(LOOPBACK, settings.EDGE_PORT, line), quiet=True
    )


def echo_origin() -> Program:
    """Return the origin of the demo's service `echo`."""
    port = settings.ECHO_PORT
    command = [sys.executable, "-m", "portal.echo_origin", "--port", str(port)]
    through = f"http://echo.localhost:{settings.EDGE_PORT}/"
    line = f"Echo    http://{LOOPBACK}:{port}  (through the edge: {through})"
    return Program("echo", command, Address(LOOPBACK, port, line))


def environment(base: Path, inherited: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of all programs: the inherited one, with our code importable."""
    path = [str(base), inherited.get("PYTHONPATH", "")]
    return {**inherited, "PYTHONPATH": os.pathsep.join(filter(None, path))}
