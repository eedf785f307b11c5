"""Edges, and what they report: connections and delivery, and conflicts."""

from datetime import UTC, datetime, timedelta
from typing import ClassVar

from django.db import models

from accounts.ids import new_id
from products.metering.derived import (
    MONTH_LENGTH,
    SERVICE_LENGTH,
    MovedUsage,
    UsagePeriod,
)

__all__ = [
    "CLOCK_TOLERANCE",
    "ConnectionUsage",
    "DeliveryUsage",
    "Edge",
    "IngestEpoch",
    "MovedUsage",
    "UsageConflict",
    "UsagePeriod",
    "instant_of",
    "microseconds_of",
]

ID_LENGTH = 128
# Above this the clocks of edge and portal are said to differ.
CLOCK_TOLERANCE = timedelta(seconds=2)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def microseconds_of(instant: datetime) -> int:
    """Return an instant as microseconds since 1970."""
    return (instant - _EPOCH) // timedelta(microseconds=1)


def instant_of(microseconds: int) -> datetime:
    """Return the instant so many microseconds after 1970 began."""
    return _EPOCH + timedelta(microseconds=microseconds)


class Edge(models.Model):
    """An edge of the platform and its credential (shown once, kept as a keyed hash), and how it does.

    `last_seen_at` is its last word of any kind, `asked_at` the last asking for the table that was
    noted. Everything that it wrote down until `reported_at` has arrived: it says so itself, for
    only the edge knows what still waits.
    """

    id = models.CharField(
        primary_key=True, max_length=22, default=new_id, editable=False
    )
    name = models.CharField(max_length=60)
    digest = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_seen_at = models.DateTimeField(null=True, blank=True)
    asked_at = models.DateTimeField(null=True, blank=True)
    reported_at = models.DateTimeField(null=True, blank=True)
    engine = models.CharField(max_length=40, blank=True)
    version = models.CharField(max_length=40, blank=True)
    generation = models.BigIntegerField(default=0)  # of the table that it serves
    open_connections = models.BigIntegerField(default=0)
    spool_waiting_bytes = models.BigIntegerField(default=0)  # not acknowledged yet
    spool_is_writable = models.BooleanField(default=True)
    log_lines_dropped = models.BigIntegerField(default=0)  # since it started
    records_refused = models.BigIntegerField(default=0)  # unreadable here, kept there
    clock_offset_ms = models.BigIntegerField(null=True, blank=True)  # its minus ours

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["name"],
                condition=models.Q(revoked_at=None),
                name="one_live_credential_an_edge",
                violation_error_message="This edge has a live credential already.",
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def clock_differs(self) -> bool:
        """Tell whether the edge's clock is further from ours than it may be."""
        offset = timedelta(milliseconds=self.clock_offset_ms or 0)
        return abs(offset) > CLOCK_TOLERANCE


class ConnectionUsage(models.Model):
    """One connection in one month, merged by maximum: the largest report is the truth.

    `started_us` is in microseconds since 1970, `duration_us` counts from the start, whatever the
    month; the bytes are those of the month. Integers, so that both databases split minutes alike.
    """

    connection_id = models.CharField(max_length=ID_LENGTH)
    month = models.CharField(max_length=MONTH_LENGTH)
    service = models.CharField(max_length=SERVICE_LENGTH)
    edge = models.CharField(max_length=60)
    started_us = models.BigIntegerField()
    duration_us = models.BigIntegerField()
    bytes_from_client = models.BigIntegerField()
    bytes_to_client = models.BigIntegerField()
    final = models.BooleanField()
    clock_differs = models.BooleanField()
    last_reported_at = models.DateTimeField()
    presumed_closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "connection"
        default_permissions = ()
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["connection_id", "month"],
                name="one_row_a_connection_and_month",
                violation_error_message="The connection has a row for this month.",
            ),
            models.CheckConstraint(
                condition=models.Q(
                    duration_us__gte=0, bytes_from_client__gte=0, bytes_to_client__gte=0
                ),
                name="usage_is_never_negative",
            ),
        ]
        # No index holds a column that a report moves: PostgreSQL can then write the new row
        # beside the old one and leave the indexes alone.
        indexes: ClassVar = [
            models.Index(fields=["service", "month"], name="usage_service_month"),
            models.Index(
                fields=["service"],
                condition=models.Q(final=False, presumed_closed_at=None),
                name="usage_open",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.connection_id} in {self.month}"

    @property
    def started_at(self) -> datetime:
        """Return the instant at which the connection began."""
        return instant_of(self.started_us)


class DeliveryUsage(models.Model):
    """Ordinary HTTP of one service in one hour, as one process of an edge has counted it."""

    edge = models.CharField(max_length=60)
    boot = models.CharField(max_length=SERVICE_LENGTH)
    service = models.CharField(max_length=SERVICE_LENGTH)
    hour = models.DateTimeField()
    requests = models.BigIntegerField()
    bytes_from_client = models.BigIntegerField()
    bytes_to_client = models.BigIntegerField()

    class Meta:
        verbose_name = "delivery"
        verbose_name_plural = "delivery"
        default_permissions = ()
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["edge", "boot", "service", "hour"],
                name="one_row_a_boot_service_and_hour",
                violation_error_message="The boot has a row for this service and hour.",
            ),
            models.CheckConstraint(
                condition=models.Q(
                    requests__gte=0, bytes_from_client__gte=0, bytes_to_client__gte=0
                ),
                name="delivery_is_never_negative",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["service", "hour"], name="delivery_service_hour")
        ]

    def __str__(self) -> str:
        return f"{self.service} at {self.hour:%Y-%m-%d %H:00}"


class UsageConflict(models.Model):
    """Two versions of the same facts: `ours` counts, `theirs` waits for a person to decide.

    `ours` is null where nothing was counted before (a report of a time that is not taken).
    """

    class Reason(models.TextChoices):
        """Why a report could not be merged."""

        SERVICE = "service", "The connection was reported with another service."
        START = "start", "The connection was reported with another start."
        BEYOND_FINAL = "beyond_final", "The report goes beyond the final one."
        FINALS_DIFFER = "finals_differ", "Two final reports differ."
        FINAL_BEHIND = "final_behind", "The final report is behind an earlier one."
        LATE = "late", "The report came more than 35 days after the end of its month."
        FUTURE = "future", "The report speaks of a time that has not come."
        BEFORE_START = "before_start", "The month ended before the connection began."
        AFTER_END = "after_end", "The month began after the connection had ended."

    class Kind(models.TextChoices):
        """What the facts are about."""

        CONNECTION = "connection"
        DELIVERY = "delivery"

    class Resolution(models.TextChoices):
        """Which version a person kept."""

        OURS = "ours", "What was counted stays"
        THEIRS = "theirs", "The disputed report counts instead"

    kind = models.CharField(max_length=10, choices=Kind.choices)
    record_id = models.CharField(max_length=4 * ID_LENGTH)  # as the edge is told it
    month = models.CharField(max_length=MONTH_LENGTH)
    service = models.CharField(max_length=SERVICE_LENGTH)  # whose count is in doubt
    account_id = models.CharField(max_length=22, blank=True)  # "" where nobody knows
    edge = models.CharField(max_length=60)
    reason = models.CharField(max_length=16, choices=Reason.choices)
    ours = models.JSONField(null=True)
    theirs = models.JSONField()
    found_at = models.DateTimeField()
    last_found_at = models.DateTimeField()
    resolved_at = models.DateTimeField(null=True, blank=True)
    resolved_by = models.CharField(max_length=200, blank=True)
    resolution = models.CharField(max_length=8, choices=Resolution.choices, blank=True)
    resolution_reason = models.CharField(max_length=500, blank=True)

    class Meta:
        verbose_name = "conflict"
        default_permissions = ()
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["kind", "record_id", "month", "reason"],
                condition=models.Q(resolved_at=None),
                name="one_open_conflict_a_record_and_reason",
                violation_error_message="This conflict is open already.",
            ),
            models.CheckConstraint(
                condition=models.Q(resolved_at=None, resolution="")
                | models.Q(
                    resolved_at__isnull=False, resolution__in=["ours", "theirs"]
                ),
                name="a_resolved_conflict_says_how",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["service", "month"], name="conflict_service_month"),
            models.Index(fields=["record_id"], name="conflict_record"),
        ]

    def __str__(self) -> str:
        return f"{self.record_id} in {self.month}"

    @property
    def is_open(self) -> bool:
        """Tell whether nobody has decided yet."""
        return self.resolved_at is None


class IngestEpoch(models.Model):
    """Changes when the database came back from a backup: edges then send all they keep again."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    epoch = models.CharField(max_length=22, default=new_id)
    since = models.DateTimeField()

    class Meta:
        default_permissions = ()
        constraints: ClassVar = [
            models.CheckConstraint(condition=models.Q(id=1), name="one_epoch")
        ]

    def __str__(self) -> str:
        return self.epoch
