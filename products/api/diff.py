"""`GET /service/S/diff/from/A/to/B`: the differences between two versions as text, which is never empty."""

from typing import Any

from django.utils.html import escape
from rest_framework import serializers
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import policy
from accounts.authentication import TokenRequest
from accounts.body_text import OneOfField
from accounts.roles import Permission
from products.api.lookups import version_at
from products.api.services import valid
from products.services.comparison import FieldChange, compare
from products.services.models import Version


class FormatReader(serializers.Serializer[Any]):
    """The format of the text."""

    format = OneOfField(choices=["text", "html", "html_simple"], default="text")


class Diff(APIView):
    """`GET /service/S/diff/from/A/to/B`."""

    def get(
        self, request: TokenRequest, service_id: str, before: int, after: int
    ) -> Response:
        """Return the difference; `from` and `to` are numbers, as fastly-py requires."""
        old = version_at(request.auth, service_id, before)
        new = version_at(request.auth, service_id, after)
        policy.require(request.auth, Permission.SERVICE_COMPARE, old.service)
        text = diff_text(old, new, compare(old, new).fields)
        return Response(diff_to_json(old, new, text, requested_format(request)))


def requested_format(request: TokenRequest) -> str:
    """Return the requested format. Raises ValidationError."""
    asked = valid(FormatReader(data=request.query_params.dict()))
    return str(asked["format"])


def diff_to_json(old: Version, new: Version, text: str, form: str) -> dict[str, Any]:
    """Return differences in Fastly's format."""
    return {
        "from": old.number,
        "to": new.number,
        "format": form,
        "diff": text if form == "text" else f"<pre>{escape(text)}</pre>",
    }


def diff_text(old: Version, new: Version, found: tuple[FieldChange, ...]) -> str:
    """Return the differences line by line: `-` starts an old value, `+` a new one."""
    lines = [f"  service: {new.service_id}"]
    if old.number == new.number:
        return f"{lines[0]}\n  version: {new.number}\n"
    lines += [f"- version: {old.number}", f"+ version: {new.number}"]
    heading = ""
    for each in found:
        if heading != (heading := f"  {each.kind} {each.name}:"):
            lines.append(heading)
        lines += _changed(each)
    return "\n".join(lines) + "\n"


def _changed(each: FieldChange) -> list[str]:
    sides = (("-", each.before), ("+", each.after))
    return [
        f"{sign}   {each.field}: {line}"
        for sign, value in sides
        if value is not None
        for line in str(value).splitlines() or ['""']
    ]
