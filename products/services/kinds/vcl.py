"""VCL: files and snippets. The edge does not run them; the rules search them for `return(upgrade)`."""

from accounts.roles import Permission
from products.services.kinds.fields import (
    REQUIRED,
    Values,
    choice,
    flag,
    long_text,
    number,
)
from products.services.kinds.kind import VCL_ONLY, Kind, Problems, not_ending

SUBROUTINES = (
    "init", "recv", "hash", "hit", "miss", "pass", "fetch", "error", "deliver", "log", "none",
)  # fmt: skip


def _content(values: Values) -> Problems:
    """Ask for the content, which a dynamic snippet need not have."""
    missing = not values.get("content") and not values.get("dynamic")
    return [("content", REQUIRED if missing else "")]


SNIPPET = Kind(
    segment="snippet",
    label="VCL snippet",
    not_found="Snippet",
    details="snippets",
    version_as_text=True,
    shows_id=True,
    services=VCL_ONLY,
    checks=(_content,),
    fields=(
        choice("type", SUBROUTINES, required=True),
        long_text(
            "content",
            nullable=True,
            needs=Permission.SERVICE_VCL,
            beneath=lambda values: bool(values.get("dynamic")),
        ),
        number("priority", as_text=True, default=100),
        flag("dynamic", as_text=True, default=False),
    ),
)

VCL = Kind(
    segment="vcl",
    label="VCL file",
    not_found="VCL",
    details="vcls",
    services=VCL_ONLY,
    name_problem=not_ending("/main", "/download", "/content"),
    fields=(
        long_text("content", required=True, needs=Permission.SERVICE_VCL),
        flag("main", default=False),
    ),
)

VCL_KINDS = (SNIPPET, VCL)
