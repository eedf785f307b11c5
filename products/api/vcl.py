"""VCL besides the settings of its files and snippets: content, the main file, generated VCL."""

import difflib

from django.http import HttpResponse
from django.utils import timezone
from django.utils.html import escape
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.authentication import TokenRequest
from accounts.body_text import require_same
from accounts.errors import Invalid
from accounts.roles import Permission
from products.api import fields
from products.api.diff import diff_to_json, requested_format
from products.api.lookups import (
    CONFIGURE,
    part_at,
    part_of_service,
    service_at,
    version_at,
)
from products.api.parts import PartView
from products.services.commands.dynamic_snippets import change_content
from products.services.commands.parts import change_part
from products.services.models import Part, Version
from products.services.queries import parts_of
from products.services.vcl_text import BOILERPLATE, generated_vcl

GENERATED_NAME = "generated"


def _plain(text: str) -> HttpResponse:
    return HttpResponse(text, content_type="text/plain; charset=utf-8")


def _highlighted(text: str) -> Response:
    return Response({"content": f"<pre>{escape(text)}</pre>"})


def _readable_version(request: TokenRequest, service_id: str, number: int) -> Version:
    """Return a version whose VCL the actor may read. Raises NotFound and Forbidden."""
    return version_at(request.auth, service_id, number, Permission.SERVICE_VCL)


def _generated(version: Version) -> str:
    return generated_vcl(parts_of(version, "vcl"), parts_of(version, "snippet"))


class MainVclFile(PartView):
    """`…/vcl/{name}/main`."""

    kind = "vcl"

    def put(
        self, request: TokenRequest, service_id: str, number: int, name: str
    ) -> Response:
        """Make a file the main one; the one before is no longer."""
        version = version_at(request.auth, service_id, number, CONFIGURE)
        row = change_part(
            request.auth,
            version=version,
            kind="vcl",
            name=part_at(version, "vcl", name).name,
            changes={"main": True},
            now=timezone.now(),
        )
        return self.shown(request, row, version)


class VclFileText(APIView):
    """`…/vcl/{name}/download`."""

    def get(
        self, request: TokenRequest, service_id: str, number: int, name: str
    ) -> HttpResponse:
        """Return the content of a file as plain text."""
        return _plain(_content(request, service_id, number, name))


class VclFileHtml(APIView):
    """`…/vcl/{name}/content`."""

    def get(
        self, request: TokenRequest, service_id: str, number: int, name: str
    ) -> Response:
        """Return the content of a file as HTML."""
        return _highlighted(_content(request, service_id, number, name))


def _content(request: TokenRequest, service_id: str, number: int, name: str) -> str:
    version = _readable_version(request, service_id, number)
    return str(part_at(version, "vcl", name).value("content"))


class Boilerplate(APIView):
    """`…/boilerplate`: a main file to start from."""

    def get(self, request: TokenRequest, service_id: str, number: int) -> HttpResponse:
        """Return the text."""
        version_at(request.auth, service_id, number)
        return _plain(f"{BOILERPLATE}\n")


class GeneratedVcl(APIView):
    """`…/generated_vcl`: the main file with the snippets of the version in their places."""

    def get(self, request: TokenRequest, service_id: str, number: int) -> HttpResponse:
        """Return it in the format of a file."""
        version = _readable_version(request, service_id, number)
        return Response(
            {
                "name": GENERATED_NAME,
                "main": True,
                "content": _generated(version),
                "service_id": version.service_id,
                "version": version.number,
                "created_at": version.created_at,
                "updated_at": version.updated_at,
                "deleted_at": None,
                "msg": "Not carried out by the edge, which runs no VCL.",
            }
        )


class GeneratedVclContent(APIView):
    """`…/generated_vcl/content`."""

    def get(self, request: TokenRequest, service_id: str, number: int) -> HttpResponse:
        """Return the text as HTML."""
        return _highlighted(_generated(_readable_version(request, service_id, number)))


class VclDiff(APIView):
    """`GET /service/S/vcl/diff/from/A/to/B`: how the generated VCL of two versions differs."""

    def get(
        self, request: TokenRequest, service_id: str, before: int, after: int
    ) -> Response:
        """Return the difference in the format of the versions' differences."""
        old = _readable_version(request, service_id, before)
        new = _readable_version(request, service_id, after)
        names = f"version {before}", f"version {after}"
        lines = difflib.unified_diff(
            _generated(old).splitlines(),
            _generated(new).splitlines(),
            *names,
            lineterm="",
        )
        # Also versions without a difference are named, as in Fastly's differences.
        text = "\n".join(lines) or f"--- {names[0]}\n+++ {names[1]}"
        return Response(diff_to_json(old, new, text, requested_format(request)))


class DynamicSnippet(APIView):
    """`/service/S/snippet/{id}`: the content that all versions of a dynamic snippet share."""

    def get(self, request: TokenRequest, service_id: str, part_id: str) -> Response:
        """Return the content."""
        part = self.part_at(request, service_id, part_id)
        return Response(self.to_json(part))

    def put(self, request: TokenRequest, service_id: str, part_id: str) -> Response:
        """Change the content; it counts for every version immediately.

        Name, type and priority are changed in a version.
        """
        part = self.part_at(request, service_id, part_id)
        names = ("dynamic", "priority", "type")
        shown = {"name": part.name} | {name: part.value(name) for name in names}
        require_same(shown, request.data, shown)
        if "content" in request.data:
            part = change_content(
                request.auth,
                part=part,
                content=request.data["content"],
                now=timezone.now(),
            )
        return Response(self.to_json(part))

    def part_at(self, request: TokenRequest, service_id: str, part_id: str) -> Part:
        """Return the snippet, if the actor may read VCL.

        Raises NotFound and Forbidden, and Invalid for a snippet that is not dynamic.
        """
        service = service_at(request.auth, service_id, Permission.SERVICE_VCL)
        part = part_of_service(service, "snippet", part_id)
        if not part.value("dynamic"):
            raise Invalid("The snippet is not dynamic: change it in a draft.")
        return part

    def to_json(self, part: Part) -> fields.Json:
        """Return the content and its snippet."""
        return {
            "snippet_id": part.public_id,
            "service_id": part.version.service_id,
            "content": part.value("content") or "",
            "created_at": part.created_at,
            "updated_at": part.updated_at,
        }
