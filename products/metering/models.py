"""Edges, what they report, disputes about it, and what is derived from it."""

from datetime import datetime, timedelta
from ipaddress import ip_address, ip_network
from typing import ClassVar

from django.db import models

from accounts.actor import MAX_ACTOR_LENGTH
from accounts.audit.entry_body import CLOCK_TOLERANCE
from accounts.ids import new_id
from accounts.models import MAX_REASON_LENGTH, Account
from products.instants import instant_of
from products.months import Month

MAX_CONNECTION_ID_LENGTH = 128
MAX_EDGE_NAME_LENGTH = 60
MAX_SERVICE_ID_LENGTH = 64  # also of services that the portal does not know
MAX_INSTANCE_LENGTH = 64
MONTH_LENGTH = 7
MAX_NETWORKS_LENGTH = 500
# An edge renews its credential when this much of its time is left, and never before the last third.
RENEWAL = timedelta(days=30)


class Edge(models.Model):
    """An edge with its credential, of which only a keyed hash is kept, and its last status.

    `last_seen_at` is the time of its last request of any kind, `asked_at` of the last request for
    the route table that was saved. All usage that the edge recorded until `reported_at` has
    arrived. Only the edge knows what is still unsent, so it reports this time itself.
    """

    id = models.CharField(
        "ID", primary_key=True, max_length=22, default=new_id, editable=False
    )
    name = models.CharField(max_length=MAX_EDGE_NAME_LENGTH)
    digest = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField()
    revoked_at = models.DateTimeField("credential revoked at", null=True, blank=True)
    # Of the credential. The row of an edge that renews its credential stays the same.
    issued_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField("credential expires at", null=True, blank=True)
    networks = models.CharField(
        max_length=MAX_NETWORKS_LENGTH, blank=True
    )  # that it may be used from
    # The credential before this one, which is accepted until the edge has the new one.
    previous_digest = models.CharField(max_length=64, blank=True, db_index=True)
    previous_until = models.DateTimeField(
        "previous credential valid until", null=True, blank=True
    )
    # The renewed credential, until the edge uses it for the first time.
    next_digest = models.CharField(max_length=64, blank=True, db_index=True)
    next_issued_at = models.DateTimeField(null=True, blank=True)
    last_seen_at = models.DateTimeField(null=True, blank=True)
    asked_at = models.DateTimeField("last asked for routes at", null=True, blank=True)
    reported_at = models.DateTimeField("usage arrived up to", null=True, blank=True)
    engine = models.CharField(max_length=40, blank=True)
    version = models.CharField(max_length=40, blank=True)
    revision = models.BigIntegerField("route table revision", default=0)
    open_connections = models.BigIntegerField(default=0)
    # Above a limit, since it started.
    rejected_connections = models.BigIntegerField(default=0)
    unsent_bytes = models.BigIntegerField(default=0)  # of usage
    store_is_writable = models.BooleanField(default=True)
    log_lines_dropped = models.BigIntegerField(default=0)  # since it started
    quarantined_records = models.BigIntegerField(default=0)  # that the portal rejected
    clock_offset_ms = models.BigIntegerField(null=True, blank=True)  # edge minus portal

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["name"],
                condition=models.Q(revoked_at=None),
                name="one_active_credential_per_edge",
                violation_error_message="This edge already has an active credential.",
            )
        ]

    def __str__(self) -> str:
        return self.name

    def has_expired(self, now: datetime) -> bool:
        """Tell whether the credential has expired."""
        return self.expires_at is not None and now >= self.expires_at

    @property
    def lifetime(self) -> timedelta | None:
        """Return for how long the credential is valid in all; None for ever."""
        if self.expires_at is None:
            return None
        return self.expires_at - (self.issued_at or self.created_at)

    def expires_soon(self, now: datetime) -> bool:
        """Tell whether it is time to renew the credential."""
        if self.expires_at is None or self.lifetime is None:
            return False
        return self.expires_at - now <= min(RENEWAL, self.lifetime / 3)

    def is_permitted_from(self, address: str) -> bool:
        """Tell whether the credential may be used from an address."""
        networks = [ip_network(each) for each in self.networks.split(",") if each]
        if not networks:
            return True
        try:
            return any(ip_address(address) in network for network in networks)
        except ValueError:
            return False

    @property
    def clock_differs(self) -> bool:
        """Tell whether the clocks of edge and portal differ by more than the tolerance."""
        offset = timedelta(milliseconds=self.clock_offset_ms or 0)
        return abs(offset) > CLOCK_TOLERANCE


class CarriedService(models.Model):
    """A service that a route table given to an edge had; only such services can have its usage."""

    edge = models.CharField(max_length=MAX_EDGE_NAME_LENGTH)
    service = models.CharField(max_length=MAX_SERVICE_ID_LENGTH)
    since = models.DateTimeField()

    class Meta:
        default_permissions = ()
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["edge", "service"],
                name="one_row_per_edge_and_service",
                violation_error_message="The edge already has this service.",
            )
        ]

    def __str__(self) -> str:
        return f"{self.service} at {self.edge}"


class EdgeOutage(models.Model):
    """An outage of an edge that goes on, for an account that it served, or for the platform."""

    edge = models.CharField(max_length=MAX_EDGE_NAME_LENGTH)
    account = models.ForeignKey(
        Account, null=True, on_delete=models.PROTECT, related_name="+"
    )
    began_at = models.DateTimeField()  # the edge's last request
    noted_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["edge", "account"],
                name="one_outage_per_edge_and_account",
                violation_error_message="The outage is already known.",
            ),
            models.UniqueConstraint(
                fields=["edge"],
                condition=models.Q(account=None),
                name="one_outage_per_edge",
                violation_error_message="The outage is already known.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.edge} since {self.began_at}"


class ConnectionUsage(models.Model):
    """One connection in one month; each counter is the largest value reported.

    `started_us` is in microseconds since 1970. `duration_us` counts from the start of the
    connection in every month. The bytes are those of the month.
    """

    connection_id = models.CharField(
        "connection ID", max_length=MAX_CONNECTION_ID_LENGTH
    )
    month = models.CharField(max_length=MONTH_LENGTH)
    service = models.CharField(max_length=MAX_SERVICE_ID_LENGTH)
    edge = models.CharField(max_length=MAX_EDGE_NAME_LENGTH)
    # Integers, so that both databases compute the same minutes.
    started_us = models.BigIntegerField()
    duration_us = models.BigIntegerField()
    bytes_from_client = models.BigIntegerField()
    bytes_to_client = models.BigIntegerField()
    final = models.BooleanField()
    clock_differs = models.BooleanField("clock out of sync")
    last_reported_at = models.DateTimeField()
    presumed_closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "connection"
        default_permissions = ()
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["connection_id", "month"],
                name="one_row_per_connection_and_month",
                violation_error_message="The connection already has a row for this month.",
            ),
            models.CheckConstraint(
                condition=models.Q(
                    duration_us__gte=0, bytes_from_client__gte=0, bytes_to_client__gte=0
                ),
                name="usage_is_never_negative",
            ),
        ]
        # No index has a column that reports change. So PostgreSQL can write the new version of a
        # row to the same page, without touching the indexes.
        indexes: ClassVar = [
            models.Index(fields=["service", "month"], name="usage_service_month"),
            # The review of a void reads a period of one edge.
            models.Index(fields=["edge", "started_us"], name="usage_edge_started"),
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
        """Return when the connection started."""
        return instant_of(self.started_us)


class DeliveryUsage(models.Model):
    """Ordinary HTTP of one service in one hour, as counted by one instance of an edge."""

    edge = models.CharField(max_length=MAX_EDGE_NAME_LENGTH)
    instance = models.CharField(max_length=MAX_INSTANCE_LENGTH)
    service = models.CharField(max_length=MAX_SERVICE_ID_LENGTH)
    hour = models.DateTimeField()
    requests = models.BigIntegerField()
    bytes_from_client = models.BigIntegerField()
    bytes_to_client = models.BigIntegerField()

    class Meta:
        verbose_name = "hour of ordinary HTTP"
        verbose_name_plural = "hours of ordinary HTTP"
        default_permissions = ()
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["edge", "instance", "service", "hour"],
                name="one_row_per_instance_service_and_hour",
                violation_error_message="The instance already has a row for this service and hour.",
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


class UsageDispute(models.Model):
    """A report that contradicts what is recorded, until staff decide which values count.

    `recorded` is null if nothing was recorded when the report was out of its window.
    """

    class Reason(models.TextChoices):
        """Why a report could not be merged."""

        SERVICE = "service", "The connection was reported with another service."
        START = "start", "The connection was reported with another start."
        BEYOND_FINAL = "beyond_final", "The report is higher than the final one."
        FINALS_DIFFER = "finals_differ", "Two final reports differ."
        FINAL_BEHIND = "final_behind", "The final report is lower than an earlier one."
        LATE = "late", "The report came more than 35 days after the end of its month."
        FUTURE = "future", "The report is dated in the future."
        BEFORE_START = "before_start", "The month ended before the connection started."
        AFTER_END = "after_end", "The month started after the connection had ended."
        BEFORE_EDGE = "before_edge", "It started before the edge had a credential."
        NOT_CARRIED = "not_carried", "No route table of this edge had the service."
        TOO_MANY_BYTES = "too_many_bytes", "No link carries as many bytes in the time."

    class Kind(models.TextChoices):
        """What kind of usage record is disputed."""

        CONNECTION = "connection"
        DELIVERY = "delivery"

    class Resolution(models.TextChoices):
        """Which values staff kept."""

        RECORDED = "recorded", "Keep the recorded values"
        REPORTED = "reported", "Use the reported values"

    kind = models.CharField(max_length=10, choices=Kind.choices)
    record_id = models.CharField("record ID", max_length=4 * MAX_CONNECTION_ID_LENGTH)
    month = models.CharField(max_length=MONTH_LENGTH)
    service = models.CharField(max_length=MAX_SERVICE_ID_LENGTH)
    # Empty if the portal does not know the service.
    account_id = models.CharField(max_length=22, blank=True)
    edge = models.CharField(max_length=MAX_EDGE_NAME_LENGTH)
    reason = models.CharField(max_length=16, choices=Reason.choices)
    recorded = models.JSONField(null=True)
    reported = models.JSONField()
    found_at = models.DateTimeField()
    last_found_at = models.DateTimeField()
    resolved_at = models.DateTimeField(null=True, blank=True)
    resolved_by = models.CharField(max_length=MAX_ACTOR_LENGTH, blank=True)
    resolution = models.CharField(max_length=8, choices=Resolution.choices, blank=True)
    resolution_reason = models.CharField(max_length=MAX_REASON_LENGTH, blank=True)

    class Meta:
        verbose_name = "dispute"
        default_permissions = ()
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["kind", "record_id", "month", "reason"],
                condition=models.Q(resolved_at=None),
                name="one_open_dispute_per_record_and_reason",
                violation_error_message="This dispute is already open.",
            ),
            models.CheckConstraint(
                condition=models.Q(resolved_at=None, resolution="")
                | models.Q(
                    resolved_at__isnull=False,
                    resolution__in=["recorded", "reported"],
                ),
                name="resolved_dispute_has_resolution",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["service", "month"], name="dispute_service_month"),
            models.Index(fields=["record_id"], name="dispute_record"),
        ]

    def __str__(self) -> str:
        return f"{self.record_id} in {self.month}"

    @property
    def is_open(self) -> bool:
        """Tell whether the dispute is not resolved yet."""
        return self.resolved_at is None

    @property
    def key(self) -> tuple[str, ...]:
        """Return what all reports of one dispute have in common."""
        return (str(self.kind), self.record_id, self.month, str(self.reason))


class UsageVoid(models.Model):
    """A time of an edge of which nothing counts, because its reports cannot be trusted.

    It covers the connections that started in the half-open period, and the hours of ordinary HTTP
    that are partly in it. Later reports of these do not count either.
    """

    edge = models.CharField(max_length=MAX_EDGE_NAME_LENGTH, db_index=True)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    reason = models.CharField(max_length=MAX_REASON_LENGTH)
    voided_by = models.CharField(max_length=MAX_ACTOR_LENGTH)
    voided_at = models.DateTimeField()

    class Meta:
        verbose_name = "voided period"
        default_permissions = ()
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(ends_at__gt=models.F("starts_at")),
                name="void_ends_after_it_starts",
            )
        ]

    def __str__(self) -> str:
        return f"{self.edge} from {self.starts_at:%Y-%m-%d %H:%M:%S} to {self.ends_at:%Y-%m-%d %H:%M:%S} UTC"


class VoidedRecord(models.Model):
    """A usage record that was taken out of the usage, as it was."""

    void = models.ForeignKey(UsageVoid, models.PROTECT, related_name="records")
    kind = models.CharField(max_length=10, choices=UsageDispute.Kind.choices)
    service = models.CharField(max_length=MAX_SERVICE_ID_LENGTH)
    month = models.CharField(max_length=MONTH_LENGTH)
    values = models.JSONField()

    class Meta:
        verbose_name = "voided record"
        default_permissions = ()
        indexes: ClassVar = [
            models.Index(fields=["service", "month"], name="voided_service_month")
        ]

    def __str__(self) -> str:
        return f"{self.service} in {self.month}"


STALE_PERIOD = models.Q(as_of=None) | models.Q(as_of__lt=models.F("stale_until"))


class UsagePeriod(models.Model):
    """The usage of a service in a month, derived from usage records.

    A period that is deleted and rebuilt is the same. A closed period was derived when its month no
    longer took reports; from then on it replaces the usage records. Its `digest` covers all of
    them, in any order; an open period has none.

    A report makes the period stale by setting `stale_until`. What was derived before this time may
    lack usage. A row without `as_of` was created by a report and is not derived yet.

    `at_bounds` has totals, also of each edge, from the start of the month up to each midnight, and
    up to the `more_bounds` that bills need, all in microseconds since 1970; see
    `products.metering.queries.daily.counters_at`.
    """

    # Empty if the portal does not know the service.
    account_id = models.CharField(max_length=22, blank=True, db_default="")
    service = models.CharField(max_length=MAX_SERVICE_ID_LENGTH)
    month = models.CharField(max_length=MONTH_LENGTH)
    minutes = models.BigIntegerField(db_default=0)
    connections = models.BigIntegerField(db_default=0)
    bytes_from_client = models.BigIntegerField(db_default=0)
    bytes_to_client = models.BigIntegerField(db_default=0)
    requests = models.BigIntegerField(db_default=0)
    delivery_bytes_from_client = models.BigIntegerField(db_default=0)
    delivery_bytes_to_client = models.BigIntegerField(db_default=0)
    delivery_records = models.BigIntegerField(db_default=0)
    digest = models.CharField(
        "digest of the records", max_length=64, blank=True, db_default=""
    )
    at_bounds = models.JSONField(null=True, blank=True)
    more_bounds = models.JSONField(null=True, blank=True)
    as_of = models.DateTimeField("computed at", null=True, blank=True)
    stale_until = models.DateTimeField(null=True, blank=True)
    is_closed = models.BooleanField("closed", db_default=False)
    # Set when the first of its usage records were deleted because they were old.
    records_deleted_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "period"
        default_permissions = ()
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["service", "month"],
                name="one_period_per_service_and_month",
                violation_error_message="The service already has a period for this month.",
            )
        ]
        indexes: ClassVar = [
            models.Index(fields=["account_id", "month"], name="period_account_month"),
            models.Index(
                fields=["service"], condition=STALE_PERIOD, name="period_stale"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.service} in {self.month}"

    @property
    def is_stale(self) -> bool:
        """Tell whether the period may lack usage that was reported since it was derived."""
        if self.as_of is None:
            return True
        return self.stale_until is not None and self.as_of < self.stale_until

    @property
    def replaces_records(self) -> bool:
        """Tell whether the period is all that is left of its usage: it cannot be derived again."""
        return self.is_closed and self.records_deleted_at is not None

    @property
    def months_beside(self) -> list[Month]:
        """Return the months that a usage record of this month can be part of, this one included."""
        month = Month.read(self.month)
        return [month.plus(-1), month, month.plus(1)]


class IngestEpoch(models.Model):
    """Names the current state of the database; a new epoch makes edges resend what they still have."""

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
