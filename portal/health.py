"""Whether the portal works: `/healthz`, `/readyz` and `manage.py status`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus

from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Max
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from kombu.exceptions import KombuError

from accounts.audit import triggers
from accounts.audit.entry_body import CLOCK_TOLERANCE
from accounts.audit.models import ChainHead
from accounts.lists import names_in_words
from portal.celery import app as celery
from portal.due_work import due_since, max_delay, stuck_work
from products.metering.queries.edges import active_edges, offline_edges
from products.units import duration_in_words

BROKER_SECONDS = 2
OK = "ok"
GetResponse = Callable[[HttpRequest], HttpResponse]


@dataclass(frozen=True, slots=True)
class Health:
    """The result of one check: `ok`, or what is wrong; and what to do then."""

    name: str
    found: str = OK
    remedy: str = ""
    stops_the_portal: bool = False  # without it no page can be shown

    @property
    def is_ok(self) -> bool:
        """Return whether the check passed."""
        return self.found == OK


def answer_health(get_response: GetResponse) -> GetResponse:
    """Answer `/healthz` and `/readyz`, which the proxy asks and passes on to no client.

    First in the list: such a request has no proxy's headers.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        if request.path_info == "/healthz":
            return HttpResponse("ok\n", content_type="text/plain")
        if request.path_info == "/readyz":
            return _ready(all_checks(timezone.now()))
        return get_response(request)

    return middleware


def _ready(results: Sequence[Health]) -> HttpResponse:
    """Return 503 if no page can be shown; other faults are only listed."""
    is_ready = all(each.is_ok or not each.stops_the_portal for each in results)
    status = HTTPStatus.OK if is_ready else HTTPStatus.SERVICE_UNAVAILABLE
    return JsonResponse({each.name: each.found for each in results}, status=status)


def all_checks(now: datetime) -> list[Health]:
    """Return the results of all checks; those of the database's content only if it answers."""
    database = check_database()
    results = [database, check_broker()]
    if database.is_ok:
        results += [check_migrations(), check_triggers()]
    if all(each.is_ok or not each.stops_the_portal for each in results):
        results += [check_work(now), check_stuck(now)]
        results += [check_edges(now), check_clock(now)]
    return results


def check_database() -> Health:
    """Return whether the database answers."""
    try:
        connection.ensure_connection()
    except DatabaseError as error:
        remedy = "Start the database; see DATABASE_URL and the portal's log."
        return Health("database", type(error).__name__, remedy, stops_the_portal=True)
    found = OK if connection.is_usable() else "no answer"
    return Health("database", found, stops_the_portal=True)


def check_broker() -> Health:
    """Return whether the broker answers. Without it, sweeps run late and nothing is lost."""
    try:
        with celery.connection_for_write(connect_timeout=BROKER_SECONDS) as broker:
            broker.ensure_connection(max_retries=1, timeout=BROKER_SECONDS)
    except (OSError, KombuError) as error:
        remedy = (
            "Start the broker; see BROKER_URL. Emails and other work wait meanwhile."
        )
        return Health("broker", type(error).__name__, remedy)
    return Health("broker")


def check_migrations() -> Health:
    """Return whether the database has the schema of this code."""
    executor = MigrationExecutor(connection)
    pending = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if pending:
        found = f"{len(pending)} pending"
        return Health(
            "migrations", found, "Run manage.py migrate.", stops_the_portal=True
        )
    return Health("migrations", stops_the_portal=True)


def check_triggers() -> Health:
    """Return whether the audit trail is append-only."""
    missing = triggers.missing(connection)
    if missing:
        remedy = "Find out who removed them, then run manage.py guard_audit."
        return Health(
            "triggers", f"missing: {', '.join(missing)}", remedy, stops_the_portal=True
        )
    return Health("triggers", stops_the_portal=True)


def check_work(now: datetime) -> Health:
    """Return whether the sweeps carry out what is due."""
    late = [
        f"{name} is overdue by {duration_in_words(now - since)}"
        for name, since in due_since(now).items()
        if since is not None and now - since > max_delay(name)
    ]
    if not late:
        return Health("work")
    remedy = "Start the worker and beat; if they run, see their logs."
    return Health("work", ", ".join(late), remedy)


def check_stuck(now: datetime) -> Health:
    """Return whether work waits for the operator or staff; customers resume their webhooks."""
    found = [each for each in stuck_work(now) if each.count and not each.is_customers]
    if not found:
        return Health("stuck")
    counts = ", ".join(each.text for each in found)
    return Health("stuck", counts, " ".join(each.remedy for each in found))


def check_clock(now: datetime) -> Health:
    """Return whether the clocks of portal and edges agree, and no audit entry is in the future."""
    last = ChainHead.objects.aggregate(at=Max("at"))["at"]
    found = []
    if last is not None and last - now > CLOCK_TOLERANCE:
        seconds = (last - now).total_seconds()
        found.append(f"{seconds:.0f} s behind the last audit entry")
    edges = [each.name for each in active_edges() if each.clock_differs]
    if edges:
        found.append(f"differs at: {names_in_words(edges)}")
    if not found:
        return Health("clock")
    remedy = (
        "Let NTP set the clocks of all machines. Audit entries have the time of the last one until "
        "the clock has caught up, and keep what the clock said."
    )
    return Health("clock", ", ".join(found), remedy)


def check_edges(now: datetime) -> Health:
    """Return whether all edges that were ever online are online."""
    names = list(offline_edges(now).values_list("name", flat=True))
    if names:
        remedy = "Start the edge, or revoke its credential if it is gone for good."
        return Health("edges", f"offline: {names_in_words(names)}", remedy)
    return Health("edges")
