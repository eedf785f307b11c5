"""Whether the portal works: `/healthz`, `/readyz` and `manage.py status`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus

from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Min
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from kombu.exceptions import KombuError

from accounts.audit import triggers
from accounts.models import OutgoingMail
from portal.celery import app as celery
from products.metering.models import UsagePeriod
from products.metering.queries.edges import OFFLINE_AFTER, active_edges

BROKER_SECONDS = 2
# Emails are sent every five seconds and periods derived every ten minutes; a failure delays them.
MAX_MAIL_DELAY = timedelta(minutes=5)
MAX_USAGE_DELAY = timedelta(minutes=40)
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
        results += [check_mail(now), check_usage(now), check_edges(now)]
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
        remedy = "Start the broker; see BROKER_URL. Emails and periods wait meanwhile."
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


def check_mail(now: datetime) -> Health:
    """Return whether emails are sent; one that was refused waits for its next attempt."""
    oldest = OutgoingMail.unsent().aggregate(at=Min("due_at"))["at"]
    return _overdue("mail", oldest, MAX_MAIL_DELAY, now)


def check_usage(now: datetime) -> Health:
    """Return whether stale periods are derived again."""
    stale = UsagePeriod.objects.filter(stale_until__isnull=False, is_closed=False)
    oldest = stale.aggregate(at=Min("stale_until"))["at"]
    return _overdue("usage", oldest, MAX_USAGE_DELAY, now)


def _overdue(
    name: str, since: datetime | None, limit: timedelta, now: datetime
) -> Health:
    if since is None or now - since <= limit:
        return Health(name)
    minutes = int((now - since).total_seconds() // 60)
    remedy = "Start the worker; if it runs, see its log."
    return Health(name, f"overdue by {minutes} min", remedy)


def check_edges(now: datetime) -> Health:
    """Return whether all edges that were ever online are online."""
    known = active_edges().filter(last_seen_at__isnull=False)
    offline = known.filter(last_seen_at__lt=now - OFFLINE_AFTER)
    names = ", ".join(offline.values_list("name", flat=True)[:10])
    if names:
        remedy = "Start the edge, or revoke its credential if it is gone for good."
        return Health("edges", f"offline: {names}", remedy)
    return Health("edges")
