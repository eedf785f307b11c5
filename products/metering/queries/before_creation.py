"""Usage of times before its service was made: counted as it was reported, and shown to staff."""

from django.db.models import BigIntegerField, Exists, Func, OuterRef, QuerySet

from products.metering.models import ConnectionUsage, DeliveryUsage
from products.services.models import Service

_SECOND_US = 1_000_000
_HOUR_SECONDS = 3600


class _Seconds(Func):
    """An instant as whole seconds since 1970, which the databases say in their own ways."""

    output_field = BigIntegerField()

    def as_sqlite(self, compiler, connection, **context):  # type: ignore[no-untyped-def] # Django's
        template = "CAST(strftime('%%%%s', %(expressions)s) AS INTEGER)"
        return self.as_sql(compiler, connection, template=template, **context)

    def as_postgresql(self, compiler, connection, **context):  # type: ignore[no-untyped-def] # Django's
        template = "FLOOR(EXTRACT(EPOCH FROM %(expressions)s))::bigint"
        return self.as_sql(compiler, connection, template=template, **context)


# An account is made before its services, so their instants tell of both.
_MADE = Service.objects.alias(made=_Seconds("created_at")).filter(
    pk=OuterRef("service")
)


def connections_before_creation(
    rows: "QuerySet[ConnectionUsage]",
) -> "QuerySet[ConnectionUsage]":
    """Keep the connections that began, to the second, before their service was made."""
    began = OuterRef("started_us") / _SECOND_US
    return rows.filter(Exists(_MADE.filter(made__gt=began)))


def early_delivery(rows: "QuerySet[DeliveryUsage]") -> "QuerySet[DeliveryUsage]":
    """Keep the hours of ordinary HTTP that were over before their service was made."""
    ended = _Seconds(OuterRef("hour")) + _HOUR_SECONDS
    return rows.filter(Exists(_MADE.filter(made__gte=ended)))
