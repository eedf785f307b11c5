"""The web server: `python -m portal.web_server` loads the portal, then forks two workers.

Granian's own command loads the portal in each worker: twice the work before the first page is
served, and a third more memory.
"""

import gc
import resource
from argparse import ArgumentParser
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.db import connections
from django.urls import get_resolver
from granian import Granian
from granian.constants import Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels

from portal import env, watchdog, wsgi
from portal.checks import refuse_unsafe_production

# Far above the threads: connections that send nothing count too, and at the limit no other
# connection is accepted. The proxy in front limits the connections per address.
MAX_CONNECTIONS_PER_WORKER = 4096
STATEMENT_SECONDS = 15  # for one statement of a request, on PostgreSQL
HEAD_SECONDS = 5  # for the head of a request


def main(words: Sequence[str] | None = None) -> None:
    """Load every page, then serve until SIGTERM.

    With `--edges`, listen on EDGE_API_PORT with one worker: the edges' calls then never wait for
    pages.
    """
    parser = ArgumentParser(prog="python -m portal.web_server", description=__doc__)
    parser.add_argument(
        "--edges", action="store_true", help="serve the edges' calls, on EDGE_API_PORT"
    )
    for_edges = parser.parse_args(words).edges
    refuse_unsafe_production()
    _limit_statements(connections.settings["default"])
    env.count_in(settings.METRICS_DIR / ("edges" if for_edges else "pages"))
    _allow_descriptors(2 * MAX_CONNECTIONS_PER_WORKER)
    get_resolver(settings.ROOT_URLCONF).url_patterns  # noqa: B018 - this imports all views
    watchdog.watch_forks(settings.HANG_SECONDS)
    gc.freeze()  # so that the workers' garbage collectors leave the shared memory alone
    Granian(
        f"{wsgi.__name__}:application",
        address=settings.LISTEN_HOST,
        port=settings.EDGE_API_PORT if for_edges else settings.PORT,
        interface=Interfaces.WSGI,
        websockets=False,
        workers=1 if for_edges else settings.WEB_WORKERS,
        blocking_threads=settings.WEB_THREADS,  # each has its own database connection
        backpressure=MAX_CONNECTIONS_PER_WORKER,
        http1_settings=HTTP1Settings(header_read_timeout=HEAD_SECONDS * 1000),
        respawn_failed_workers=True,
        respawn_interval=0.5,
        workers_kill_timeout=5,
        log_level=LogLevels.warning,
        log_dictconfig={
            "loggers": {"_granian": {}, "granian.access": {}}
        },  # as all logs
    ).serve()


def _limit_statements(database: dict[str, Any]) -> None:
    """Limit the time of each statement, for connections that are opened from now on."""
    if database["ENGINE"] == "django.db.backends.postgresql":
        database["OPTIONS"]["options"] += f" -c statement_timeout={STATEMENT_SECONDS}s"


def _allow_descriptors(wanted: int) -> None:
    """Raise the limit of open files to what the system allows; each connection is one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))


if __name__ == "__main__":
    main()
