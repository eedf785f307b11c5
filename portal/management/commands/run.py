"""`manage.py run`: the whole portal with one command."""

import os
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError, connections

from portal.held import AlreadyRunningError, only_one
from portal.ports import PortTakenError, require_free
from portal.prepare import prepare
from portal.programs import all_programs, environment
from portal.supervise import Supervisor

PRIVATE_UMASK = 0o077  # what the programs write is their owner's alone


class Command(BaseCommand):
    """Prepare the database, then keep web, worker, edge and the demo's origin running."""

    help = (
        "Run the portal: prepare the database, then keep web, worker, edge and the demo's origin "
        "running. Ctrl-C stops all."
    )

    # They import every page, which the web does anyway: half a second of each start. `make check`
    # runs them, and whatever fails here says so itself.
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        """Run until a signal comes; exit with status 1 when a program keeps dying."""
        os.umask(PRIVATE_UMASK)
        try:
            with only_one(settings.DATA_DIR):
                require_free(
                    {
                        "PORT": settings.PORT,
                        "EDGE_PORT": settings.EDGE_PORT,
                        "ECHO_PORT": settings.ECHO_PORT,
                    }
                )
                sys.exit(self._prepare_and_run())
        except (AlreadyRunningError, PortTakenError) as error:
            raise CommandError(str(error)) from error
        except OperationalError as error:
            raise CommandError(
                f"The database (DATABASE_URL) cannot be used: {error}"
            ) from error
        except KeyboardInterrupt:  # while preparing: nothing runs yet
            sys.exit(130)

    def _prepare_and_run(self) -> int:
        prepare()
        connections.close_all()
        with Supervisor(
            all_programs(),
            say=self._say,
            environment=environment(settings.BASE_DIR, os.environ),
        ) as supervisor:
            self._say("Tollgate starts. Ctrl-C stops it.")
            return supervisor.run()

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()
