"""What hangs beneath a part and belongs to no version: a change counts for all versions immediately.

ACL entries, dictionary items and pool servers are found by the id of their part, which clones keep.
"""

import ipaddress
from dataclasses import dataclass

from products import protocol
from products.services.kinds.carried import comment, host, override_host
from products.services.kinds.fields import Values, choice, flag, number, text
from products.services.kinds.kind import Kind, Problems

MAX_ITEM_VALUE_LENGTH = 8000  # Fastly's limit of a dictionary's values
_FLAGS = {"true": 1, "false": 0}


@dataclass(frozen=True, kw_only=True)
class ItemKind(Kind):
    """A kind of item, and the kind of part that it hangs beneath."""

    part: str
    noun: str  # ends the path of a new item; the event has the plural
    key_field: str = ""  # names an item in paths; its public id does if empty
    batches: bool = True  # whether many can be changed together
    one_needed: bool = False  # whether the last item of a part cannot be removed
    named: bool = False

    @property
    def changed_event(self) -> str:
        """Return the name of the event of a change, such as `acl.entries_changed`."""
        return f"{self.part}.{self.event}_changed"


def _address(values: Values) -> Problems:
    """Check that the address is one, and that the prefix fits it."""
    address = str(values.get("ip") or "")
    if not address:
        return []
    try:
        longest = ipaddress.ip_address(address).max_prefixlen
    except ValueError:
        return [("ip", "Enter an IP address.")]
    subnet = values.get("subnet")
    if isinstance(subnet, int) and subnet > longest:
        return [("subnet", f"Enter a whole number from 0 to {longest}.")]
    return []


def _negated_as_number(changes: Values) -> Values:
    """Return changes with 0 or 1 for a boolean: clients send both, and want a number."""
    word = str(changes.get("negated", "")).lower()
    return {**changes, "negated": _FLAGS[word]} if word in _FLAGS else changes


ACL_ENTRY = ItemKind(
    segment="acl_entry",
    label="ACL entry",
    plural="ACL entries",
    part="acl",
    noun="entry",
    event="entries",
    shows_id=True,
    checks=(_address,),
    couple=_negated_as_number,
    fields=(
        text("ip", required=True, max_length=45, label="IP address"),
        number("subnet", nullable=True, maximum=128, label="Prefix length"),
        choice("negated", (0, 1), default=0, choice_labels={0: "No", 1: "Yes"}),
        comment(),
    ),
)

DICTIONARY_ITEM = ItemKind(
    segment="dictionary_item",
    label="Dictionary item",
    part="dictionary",
    noun="item",
    event="items",
    key_field="item_key",
    not_found="DictionaryItem",
    fields=(
        text("item_key", required=True, max_length=256, label="Key"),
        text(
            "item_value",
            required=True,
            lines=True,
            max_length=MAX_ITEM_VALUE_LENGTH,
            label="Value",
        ),
    ),
)

POOL_SERVER = ItemKind(
    segment="pool_server",
    label="Pool server",
    part="pool",
    noun="server",
    event="servers",
    shows_id=True,
    batches=False,
    one_needed=True,
    not_found="Server",
    fields=(
        host("address", required=True),
        number("port", minimum=1, maximum=protocol.MAX_PORT, default=80),
        number("weight", minimum=1, maximum=100, default=100),
        number("max_conn", default=0),
        flag("disabled", default=False),
        override_host(),
        comment(default=""),
    ),
)

# By the kind of part that they hang beneath.
ITEM_KINDS: dict[str, ItemKind] = {
    kind.part: kind for kind in (ACL_ENTRY, DICTIONARY_ITEM, POOL_SERVER)
}
