"""Figures of the whole system, for `/metrics`, `manage.py status` and the admin's *System status*."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from django.db.models import Count, Sum

from accounts.audit.models import AuditEvent, ChainHead
from accounts.models import OutgoingMail
from portal.due_work import due_since, stuck_work, waiting_webhooks
from portal.health import Health, all_checks
from products.billing.models import Invoice
from products.metering.queries.edges import complete_to, offline_edges, seen_edges
from products.units import duration_in_words

Unit = Literal["", "seconds"]


@dataclass(frozen=True, slots=True)
class Figure:
    """A measured value, or several by a label; `name` is Prometheus' and `title` for people.

    `is_long` figures have too many values to show to people.
    """

    name: str
    title: str
    values: Sequence[tuple[str, float]]  # the value of the label, "" without one
    label: str = ""
    unit: Unit = ""
    is_counter: bool = False
    is_long: bool = False


@dataclass(frozen=True, slots=True)
class SystemStatus:
    """The results of all checks, and the figures; none if the database does not answer."""

    checks: Sequence[Health]
    figures: Sequence[Figure] = field(default=())

    @property
    def is_ok(self) -> bool:
        """Return whether all checks passed."""
        return all(each.is_ok for each in self.checks)

    @property
    def rows(self) -> list[tuple[str, str]]:
        """Return the figures for people: what, and how much."""
        return [
            (
                f"{each.title}: {label}" if label else each.title,
                _for_people(value, each),
            )
            for each in self.figures
            if not each.is_long
            for label, value in each.values
        ]


def system_status(now: datetime) -> SystemStatus:
    """Return checks and figures; a fixed number of queries."""
    checks = all_checks(now)
    if any(each.stops_the_portal and not each.is_ok for each in checks):
        return SystemStatus(checks)
    return SystemStatus(checks, [*_work(now), *_usage(now), *_trail(), _invoices()])


def _work(now: datetime) -> list[Figure]:
    ages = [
        (name, _age(since, now) if since else 0.0)
        for name, since in due_since(now).items()
    ]
    waiting = [
        ("emails", float(OutgoingMail.sendable(now).count())),
        ("webhooks", float(len(waiting_webhooks(now)))),
    ]
    stuck = [(each.kind, float(each.count)) for each in stuck_work(now)]
    return [
        Figure(
            "tollgate_due_work_age_seconds",
            "Age of the oldest due work",
            ages,
            label="sweep",
            unit="seconds",
        ),
        Figure("tollgate_waiting", "Waiting to be sent", waiting, label="kind"),
        Figure("tollgate_stuck", "Waiting for a person", stuck, label="kind"),
    ]


def _usage(now: datetime) -> list[Figure]:
    known, offline = seen_edges(), offline_edges(now).count()
    edges = [("online", float(known.count() - offline)), ("offline", float(offline))]
    rejected = known.values_list("name", "rejected_connections")
    arrived = complete_to()
    lag = [("", _age(arrived, now))] if arrived else []
    return [
        Figure("tollgate_edges", "Edges", edges, label="state"),
        Figure(
            "tollgate_edge_rejected_connections",
            "Connections that an edge has rejected for a limit since it started",
            [(name, float(count)) for name, count in rejected],
            label="edge",
            is_long=True,
        ),
        Figure(
            "tollgate_usage_lag_seconds",
            "Usage has not arrived for the last",
            lag,
            unit="seconds",
        ),
    ]


def _trail() -> list[Figure]:
    chains = ChainHead.objects.aggregate(n=Count("pk"), height=Sum("sequence"))
    events = (
        AuditEvent.objects.order_by()
        .values_list("action")
        .annotate(n=Count("pk"))
        .order_by("action")
    )
    return [
        Figure("tollgate_audit_chains", "Audit trails", [("", float(chains["n"]))]),
        Figure(
            "tollgate_audit_height",
            "Entries of all audit trails",
            [("", float(chains["height"] or 0))],
        ),
        Figure(
            "tollgate_changes",
            "Entries by event",
            [(event, float(count)) for event, count in events],
            label="event",
            is_counter=True,
            is_long=True,
        ),
    ]


def _invoices() -> Figure:
    counted = dict(
        Invoice.objects.order_by().values_list("status").annotate(n=Count("pk"))
    )
    states = [
        (each.value, float(counted.get(each.value, 0))) for each in Invoice.Status
    ]
    return Figure("tollgate_invoices", "Invoices", states, label="state")


def _for_people(value: float, figure: Figure) -> str:
    return duration_in_words(value) if figure.unit else f"{value:,.0f}"


def _age(since: datetime, now: datetime) -> float:
    """Return the seconds since an instant; never negative, whatever the clocks say."""
    return max((now - since).total_seconds(), 0.0)
