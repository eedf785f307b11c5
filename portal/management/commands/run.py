"""`manage.py run`: the whole portal with one command."""

import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError, connections

from portal.checks import refuse_unsafe_production
from portal.prepare import OtherInstallationError, prepare
from portal.run import (
    AlreadyRunningError,
    PortInUseError,
    ProcessSupervisor,
    all_programs,
    data_dir_lock,
    environment_of_programs,
    require_free_ports,
)


class Command(BaseCommand):
    """Prepare the database, then keep the web server, edge, worker and demo origin running."""

    help = (
        "Run the portal: prepare the database, then keep the web server, the edge, the worker and "
        "the demo's origin running. Press Ctrl-C to stop."
    )

    # System checks import every view, which adds half a second to each start. `make check` runs
    # them, and the web server reports what fails.
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        """Run until a signal asks to stop."""
        ports = {
            name: getattr(settings, name) for name in ("PORT", "EDGE_PORT", "ECHO_PORT")
        }
        try:
            with data_dir_lock(settings.DATA_DIR):
                require_free_ports(ports)
                refuse_unsafe_production(databases=())
                prepare()
                refuse_unsafe_production()
                connections.close_all()
                self._supervise()
        except (AlreadyRunningError, OtherInstallationError, PortInUseError) as error:
            raise CommandError(str(error)) from error
        except OperationalError as error:
            raise CommandError(
                f"The database (DATABASE_URL) cannot be used: {error}"
            ) from error
        except KeyboardInterrupt:  # while preparing, before any program has started
            sys.exit(130)

    def _supervise(self) -> None:
        with ProcessSupervisor(
            all_programs(), say=self._say, environment=environment_of_programs()
        ) as supervisor:
            self._say("Starting Tollgate. Press Ctrl-C to stop.")
            supervisor.run()

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()
