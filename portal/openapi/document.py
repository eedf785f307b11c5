"""The OpenAPI document of the API."""

import json
from functools import cache
from typing import Any

from drf_spectacular.generators import SchemaGenerator

from portal.fastly_format import Encoder
from portal.openapi import accounts, kinds, products
from portal.openapi.errors import RESPONSES
from portal.openapi.errors import SCHEMAS as ERRORS
from portal.openapi.operations import HEADERS, SECURITY_SCHEMES, endpoints
from portal.openapi.schemas import Schema


class Generator(SchemaGenerator):
    """Generates the document from the endpoints of the API."""

    def _initialise_endpoints(self) -> None:
        self.endpoints = ()

    def _get_paths_and_endpoints(self) -> list[tuple[str, str, str, Any]]:
        found = []
        for endpoint in endpoints():
            for method in endpoint.methods:
                view: Any = self.create_view(endpoint.view, method)  # type: ignore[no-untyped-call]
                view.endpoint = endpoint
                found.append((endpoint.path, endpoint.path, method, view))
        return found


def make_document() -> Schema:
    """Return the document."""
    generator: Any = Generator()  # type: ignore[no-untyped-call]
    document: Schema = generator.get_schema(request=None, public=True)
    document["components"] = {
        "schemas": {
            **kinds.components(),
            **accounts.SCHEMAS,
            **products.SCHEMAS,
            **products.edge_schemas(),
            **ERRORS,
        },
        "responses": dict(RESPONSES),
        "parameters": dict(HEADERS),
        "securitySchemes": dict(SECURITY_SCHEMES),
    }
    return document


@cache
def document_text() -> bytes:
    """Return the document as JSON; it is made once per process."""
    return json.dumps(make_document(), cls=Encoder, separators=(",", ":")).encode()
