"""`GET /api/v1/trail`: the whole audit trail in order, for programs that follow it."""

from typing import Any
from urllib.parse import urlencode

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.api.events import readable_trail
from accounts.audit.names import names_in
from accounts.audit.reader import MAX_SEQUENCE, entries_after
from accounts.audit.sentences import entry_for_programs
from accounts.authentication import TokenRequest

DEFAULT_LIMIT = 100
MAX_LIMIT = 1000


class TrailQuery(serializers.Serializer[Any]):
    """Where to continue, and how many entries to return."""

    after = serializers.IntegerField(min_value=0, max_value=MAX_SEQUENCE, default=0)
    limit = serializers.IntegerField(
        min_value=1, max_value=MAX_LIMIT, default=DEFAULT_LIMIT
    )


class TrailEntries(APIView):
    """`GET /api/v1/trail?after=SEQUENCE&limit=N`."""

    def get(self, request: TokenRequest) -> Response:
        """Return the entries after a sequence, oldest first; `next` is empty at the end.

        A token that is limited to services reads only their entries.
        """
        account_id = readable_trail(request.auth)
        query = TrailQuery(data=request.query_params.dict())
        query.is_valid(raise_exception=True)
        after, limit = query.validated_data["after"], query.validated_data["limit"]
        # One more than requested shows whether there are more.
        rows = entries_after(
            account_id, after, limit=limit + 1, services=request.auth.token_services
        )
        shown = rows[:limit]
        names = names_in(shown)
        following = shown[-1].sequence if len(rows) > limit else None
        return Response(
            {
                "data": [entry_for_programs(row, names) for row in shown],
                "meta": {"next": _url(request, following, limit)},
            }
        )


def _url(request: Request, after: int | None, limit: int) -> str:
    if after is None:
        return ""
    query = urlencode({"after": after, "limit": limit})
    return request.build_absolute_uri(f"{request.path}?{query}")
