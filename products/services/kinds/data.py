"""Data that a version refers to: access control lists, dictionaries and linked resources."""

import re

from products.services.kinds.fields import choice, flag, text
from products.services.kinds.kind import VCL_ONLY, Key, Kind, without

_ACL_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_ ]*")


def _acl_name_problem(name: str) -> str:
    """Return Fastly's sentence for a name that VCL could not use."""
    if _ACL_NAME.fullmatch(name):
        return ""
    return "Name must start with alphabetical and contain only alphanumeric, underscore, and whitespace"


ACL = Kind(
    segment="acl",
    label="ACL",
    details="acls",
    version_as_text=True,
    shows_id=True,
    services=VCL_ONLY,
    name_problem=_acl_name_problem,
    fields=(),
)

DICTIONARY = Kind(
    segment="dictionary",
    label="Dictionary",
    plural="Dictionaries",
    details="dictionaries",
    shows_id=True,
    name_problem=without("/info"),
    fields=(flag("write_only", default=False, help="Its values are never shown."),),
)

RESOURCE = Kind(
    segment="resource",
    label="Resource link",
    not_found="Link",
    key=Key.ID,
    shows_id=True,
    fields=(
        text("resource_id", max_length=255),
        choice(
            "resource_type",
            ("kv-store", "secret-store", "config", "object-store"),
            read_only=True,
        ),
        text("href", read_only=True),
    ),
)

DATA_KINDS = (ACL, DICTIONARY, RESOURCE)
