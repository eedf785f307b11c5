"""The models of what follows from the facts: periods, and the marks that say which are old."""

from datetime import timedelta
from typing import ClassVar

from django.db import models

SERVICE_LENGTH = 64  # a usage record's service need not exist, so it is a plain text
MONTH_LENGTH = 7
# One mark stands for all that moves its period within so long.
MARK_INTERVAL = timedelta(minutes=10)
# A slot, and as much again for the longest report: its mark is needed no more.
MARK_LIFETIME = 2 * MARK_INTERVAL


class UsagePeriod(models.Model):
    """What a service used in a month: derived, and the same again when dropped and rebuilt.

    `digest` is one of all facts that went into it, in whatever order they lie. It is `settled`
    where it was derived when its month took no more reports; then it answers for the facts.
    """

    account_id = models.CharField(
        max_length=22, blank=True
    )  # "" for an unknown service
    service = models.CharField(max_length=SERVICE_LENGTH)
    month = models.CharField(max_length=MONTH_LENGTH)
    minutes = models.BigIntegerField()
    connections = models.BigIntegerField()
    bytes_from_client = models.BigIntegerField()
    bytes_to_client = models.BigIntegerField()
    requests = models.BigIntegerField()
    delivery_bytes_from_client = models.BigIntegerField()
    delivery_bytes_to_client = models.BigIntegerField()
    digest = models.CharField(max_length=64)
    as_of = models.DateTimeField()
    settled = models.BooleanField(default=False)

    class Meta:
        verbose_name = "period"
        default_permissions = ()
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["service", "month"],
                name="one_period_a_service_and_month",
                violation_error_message="The service has a period for this month.",
            )
        ]
        indexes: ClassVar = [
            models.Index(fields=["account_id", "month"], name="period_account_month")
        ]

    def __str__(self) -> str:
        return f"{self.service} in {self.month}"


class MovedUsage(models.Model):
    """A mark: a service's month moved `during` a slot of time, so its period is old.

    Reports leave a settled period alone; a person's decision moves it `even_settled`. Nothing is
    unique here, or reports of the same service would wait for each other.
    """

    service = models.CharField(max_length=SERVICE_LENGTH)
    month = models.CharField(max_length=MONTH_LENGTH)
    during = models.DateTimeField()
    even_settled = models.BooleanField(default=False, db_default=False)

    class Meta:
        default_permissions = ()
        indexes: ClassVar = [
            models.Index(fields=["during", "service"], name="moved_during_service")
        ]

    def __str__(self) -> str:
        return f"{self.service} in {self.month}"
