"""Usage reports from edges."""

import json
import zlib
from http import HTTPStatus

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import HttpResponse
from django.utils import timezone
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.views import APIView

from products.api.edge import EdgeAuthentication
from products.edge.contract import MAX_USAGE_RECORDS, ContractError, UsageReport
from products.metering.commands import ingest

GZIP_WINDOW = 16 + zlib.MAX_WBITS  # in zlib: with a gzip header
MAX_DETAIL_LENGTH = 300


class IngestUsage(APIView):
    """`POST /api/edge/v1/usage`. Sending a report twice changes nothing."""

    authentication_classes = (EdgeAuthentication,)
    permission_classes = (AllowAny,)  # EdgeAuthentication admits only edges
    throttle_classes = ()

    def post(self, request: Request) -> HttpResponse:
        """Ingest a report.

        Responds with 400 if it is not of the agreed form, 413 if it is too large, and 403 if it is
        of another edge. If a record is not of the form, the detail of the 400 starts with its
        place.
        """
        received_at = timezone.now()
        try:
            report = UsageReport.from_bytes(_body_of(request))
            if len(report.connections) + len(report.delivery) > MAX_USAGE_RECORDS:
                raise RequestDataTooBig
            answer = ingest(
                request.auth,  # type: ignore[arg-type] # an Edge: see EdgeAuthentication
                report=report,
                received_at=received_at,
            )
        except ContractError as error:
            detail = str(error)[:MAX_DETAIL_LENGTH]
            body = {"msg": "Bad request", "detail": detail}
            return _response(json.dumps(body).encode(), HTTPStatus.BAD_REQUEST)
        return _response(answer.to_bytes(), HTTPStatus.OK)


def _body_of(request: Request) -> bytes:
    """Return the body, decompressed if it is gzipped, up to the limit for any body.

    Raises RequestDataTooBig, and ContractError for a body that cannot be decompressed.
    """
    raw: bytes = request._request.body  # noqa: SLF001 - DRF's own, before any parser
    encoding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding == "identity":
        return raw
    if encoding != "gzip":
        raise ContractError("body: neither plain nor gzip")
    return _decompressed(raw, most=settings.DATA_UPLOAD_MAX_MEMORY_SIZE)


def _decompressed(compressed: bytes, *, most: int) -> bytes:
    decompressor = zlib.decompressobj(GZIP_WINDOW)
    try:
        body = decompressor.decompress(compressed, most + 1)
    except zlib.error as error:
        raise ContractError("body: not gzip") from error
    if len(body) > most:
        raise RequestDataTooBig
    if not decompressor.eof or decompressor.unused_data:
        raise ContractError("body: not one whole gzip member")
    return body


def _response(body: bytes, status: HTTPStatus) -> HttpResponse:
    return HttpResponse(body, content_type="application/json", status=status)
