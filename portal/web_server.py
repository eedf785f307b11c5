"""The web server: `python -m portal.web_server`, two workers of one process that loaded the portal.

Granian's own command would load the portal once in each worker: twice the work before the first
page comes, and a third more memory.
"""

import gc

from django.conf import settings
from django.urls import get_resolver
from granian import Granian
from granian.constants import Interfaces
from granian.log import LogLevels

from portal import wsgi
from portal.ports import LOOPBACK

WORKERS = 2  # measured best on two cores
THREADS = 4  # of a worker, each with a database connection of its own
WAITING = 64  # requests that a worker takes on; more wait in the socket's queue


def main() -> None:
    """Load every page, then serve until SIGTERM."""
    get_resolver(settings.ROOT_URLCONF).url_patterns  # noqa: B018 - this imports all views
    gc.freeze()  # what is loaded stays shared: the collector of a worker leaves it alone
    Granian(
        f"{wsgi.__name__}:application",
        address=LOOPBACK,
        port=settings.PORT,
        interface=Interfaces.WSGI,
        websockets=False,
        workers=WORKERS,
        blocking_threads=THREADS,
        backpressure=WAITING,
        respawn_failed_workers=True,
        respawn_interval=0.5,
        workers_kill_timeout=5,
        log_level=LogLevels.warning,
    ).serve()


if __name__ == "__main__":
    main()
