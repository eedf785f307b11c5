"""The web server: `python -m portal.web_server` loads the portal, then forks two workers.

Granian's own command loads the portal in each worker: twice the work before the first page is
served, and a third more memory.
"""

import gc

from django.conf import settings
from django.urls import get_resolver
from granian import Granian
from granian.constants import Interfaces
from granian.log import LogLevels

from portal import wsgi

WORKERS = 2  # the fastest on two cores
THREADS_PER_WORKER = 4  # each has its own database connection
MAX_CONNECTIONS_PER_WORKER = 64  # further connections wait in the socket's queue


def main() -> None:
    """Load every page, then serve until SIGTERM."""
    get_resolver(settings.ROOT_URLCONF).url_patterns  # noqa: B018 - this imports all views
    gc.freeze()  # so that the workers' garbage collectors leave the shared memory alone
    Granian(
        f"{wsgi.__name__}:application",
        address=settings.LISTEN_HOST,
        port=settings.PORT,
        interface=Interfaces.WSGI,
        websockets=False,
        workers=WORKERS,
        blocking_threads=THREADS_PER_WORKER,
        backpressure=MAX_CONNECTIONS_PER_WORKER,
        respawn_failed_workers=True,
        respawn_interval=0.5,
        workers_kill_timeout=5,
        log_level=LogLevels.warning,
    ).serve()


if __name__ == "__main__":
    main()
