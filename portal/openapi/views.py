"""The document of the API, and the page that shows it."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from portal.openapi.document import document_text
from products.protocol import API_PATH


@require_safe
def openapi(request: HttpRequest) -> HttpResponse:
    """Return the OpenAPI document; it has nothing of any account."""
    response = HttpResponse(document_text(), content_type="application/json")
    response["Cache-Control"] = "public, max-age=300"
    return response


@require_safe
def api_docs(request: HttpRequest) -> HttpResponse:
    """Show the document as a page on which operations can be tried."""
    base_url = request.build_absolute_uri(API_PATH.rstrip("/"))
    return render(request, "api_docs.html", {"base_url": base_url})
