"""`GET /api/v1/usage`: what the account used in a month."""

from typing import Any

from django.utils import timezone
from rest_framework import serializers
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.authentication import TokenRequest
from accounts.errors import Invalid
from accounts.policy import require
from accounts.queries import account_of
from accounts.roles import Permission
from products.api.services import valid
from products.calendars import calendar_of
from products.metering.queries import usage_of
from products.months import Month
from products.services.models import Service


class UsageReader(serializers.Serializer[Any]):
    """The month, such as 2026-10; without it, the current one in the account's billing zone."""

    month = serializers.CharField(required=False)


class UsageView(APIView):
    """`GET /api/v1/usage?month=2026-10`."""

    def get(self, request: TokenRequest) -> Response:
        """Return the usage of the services that the actor may see, also of deleted ones."""
        actor = request.auth
        account = account_of(actor)
        require(actor, Permission.STATS_READ, account)
        sent = valid(UsageReader(data=request.query_params.dict()))
        label = sent.get("month") or str(calendar_of(account).month_at(timezone.now()))
        visible = Service.objects.visible_to(actor).values_list("pk", flat=True)
        usage = usage_of(account.pk, month_in(label), services=set(visible))
        body = usage.to_json() | {"complete_to": usage.complete_to}
        return Response({"account": account.pk} | body)


def month_in(label: str, field: str = "month") -> Month:
    """Return a month such as 2026-10. Raises Invalid, which names the field."""
    try:
        return Month.read(label)
    except ValueError as error:
        raise Invalid(
            f"{field}: '{label}' is not a month such as 2026-10.", field=field
        ) from error
