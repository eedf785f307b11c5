"""The schemas of the kinds of parts and items, from their declarations."""

from collections.abc import Callable, Mapping
from typing import Final

from portal.openapi.schemas import (
    JSON,
    SENT_FLAGS,
    SENT_NUMBER,
    Described,
    Schema,
    array,
    choice,
    flag,
    moment,
    nullable,
    obj,
    ref,
    text,
    whole,
)
from products.api.items import ItemPagingReader
from products.api.parts import ContentReader, IncludeReader
from products.services.commands.items import MAX_ITEMS, Operation
from products.services.kinds import KINDS, Field, Kind
from products.services.kinds.fields import MAX_LIST_LENGTH, Type, fields_of_object
from products.services.kinds.items import ITEM_KINDS, ItemKind

# Texts of one line and of several, without control characters.
ONE_LINE: Final = r"^[^\u0000-\u0008\u000a-\u001f\u007f-\u009f\u2028\u2029]*$"
LINES: Final = r"^[^\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]*$"
MSG: Final = text("What of the sent fields is stored, but not carried out.")
STATUS_OK: Final = obj({"status": choice("ok")})
TYPES: Final[Mapping[Type, Schema]] = {
    Type.TEXT: text(),
    Type.NUMBER: whole(),
    Type.FLAG: flag(),
    Type.LIST: array(text()),
    Type.OBJECT: {"type": "object"},
}


def component_name(kind: Kind) -> str:
    """Return the name of a kind's schema, such as `LoggingHttps`."""
    return "".join(
        word.capitalize()
        for word in kind.segment.replace("/", "_").replace("-", "_").split("_")
    )


def components() -> dict[str, Schema]:
    """Return the schemas of all kinds: what a response has, and what a request can have."""
    found: dict[str, Schema] = {}
    for kind in (*KINDS.values(), *ITEM_KINDS.values()):
        name = component_name(kind)
        found[name] = answer_of(kind)
        found[f"{name}Fields"] = fields_of(kind)
        if isinstance(kind, ItemKind) and kind.batches:
            found[f"{name}Batch"] = batch_of(kind)
    return found


def fields_of(kind: Kind) -> Schema:
    """Return the schema of the fields of a request."""
    sent = {each.name: sent_field(each) for each in kind.settable}
    if kind.named and not kind.single:
        # A change of a fixed name is ignored, so it may be any text.
        bounds = {} if kind.fixed_name else {"minLength": 1}
        sent = {"name": text(f"{kind.name_label}.", **bounds)} | sent
    return {
        "type": "object",
        "properties": sent,
        "description": kind.help or kind.label,
    }


def new_part(kind: Kind) -> Schema:
    """Return the schema of a request that adds a part: some fields are required."""
    required = [each.name for each in kind.settable if is_needed(each)]
    if kind.named and not kind.single:
        required = ["name", *required]
    fields = ref(f"{component_name(kind)}Fields")
    return {"allOf": [fields], "required": required} if required else fields


def example_of(kind: Kind, *, adds: bool) -> Schema:
    """Return a body: what a new part must have, or a change of one field."""
    if not adds:
        return {each.name: sample(each) for each in kind.settable[:1]}
    named = {"name": "example"} if kind.named and not kind.single else {}
    return named | {each.name: sample(each) for each in kind.settable if each.required}


def sample(field: Field) -> object:
    """Return a value of a field, to show what a body looks like."""
    if field.default not in (None, ""):
        return field.default
    samples = {
        Type.NUMBER: max(field.minimum, 1),
        Type.FLAG: True,
        Type.LIST: ["example"],
        Type.OBJECT: {},
    }
    return next(iter(field.choices), samples.get(field.type, "example.com"))


def is_needed(field: Field) -> bool:
    """Tell whether a new part must have the field, because it has no default."""
    return field.required and field.default is None


def sent_field(field: Field) -> Schema:
    """Return the schema of a field in a request: in JSON, or as text in a form."""
    schema: Schema = {"description": words_of(field)} | _SENT[field.type](field)
    if field.default not in (None, ""):
        schema["default"] = field.default
    if "enum" in schema and not field.required:
        values = schema["enum"]
        schema["enum"] = values + [each for each in ("", None) if each not in values]
        return schema
    return schema if field.required else nullable(schema)


def _sent_flag(_field: Field) -> Schema:
    return {"enum": [*SENT_FLAGS]}


def _sent_number(field: Field) -> Schema:
    if field.choices:
        return {"enum": [*field.choices, *map(str, field.choices)]}
    return {
        "type": ["integer", "string"],
        "minimum": least(field),
        "maximum": field.maximum,
        "pattern": SENT_NUMBER if field.required else rf"^$|{SENT_NUMBER}",
    }


def _sent_list(field: Field) -> Schema:
    items = text(maxLength=field.max_length, pattern=ONE_LINE)
    return {"type": ["array", "string"], "items": items, "maxItems": MAX_LIST_LENGTH}


def _sent_object(field: Field) -> Schema:
    keys = {key: sent_field(each) for key, each in fields_of_object(field).items()}
    return {"type": ["object", "string"], "properties": keys}


def _sent_text(field: Field) -> Schema:
    if field.choices:
        return {"enum": list(field.choices)}
    pattern = LINES if field.lines else ONE_LINE
    needed = {"minLength": 1} if field.required else {}
    return text(pattern=pattern, maxLength=field.max_length) | needed


_SENT: Final[Mapping[Type, Callable[[Field], Schema]]] = {
    Type.TEXT: _sent_text,
    Type.NUMBER: _sent_number,
    Type.FLAG: _sent_flag,
    Type.LIST: _sent_list,
    Type.OBJECT: _sent_object,
}


def least(field: Field) -> int:
    """Return the least number that can be sent; 0 can mean that none is set."""
    unset = not field.required and field.default is None
    return min(field.minimum, 0) if unset else field.minimum


def words_of(field: Field) -> str:
    """Return the label, the help and the unit of a field as sentences."""
    unit = f"In {field.unit}." if field.unit else ""
    kept = "" if field.carried else "Stored, but not carried out by the edge."
    return " ".join(
        each for each in (f"{field.label}.", field.help, unit, kept) if each
    )


def answer_of(kind: Kind) -> Schema:
    """Return the schema of a part or an item in a response."""
    always: dict[str, Schema] = {}
    if kind.named and not kind.single:
        always["name"] = text()
    if kind.shows_id:
        always["id"] = text()
    shown = {each.name: shown_field(each) for each in kind.fields}
    if isinstance(kind, ItemKind):
        shown |= {"msg": MSG}
        always |= {f"{kind.part}_id": text(), "service_id": text()} | times()
    elif kind.segment == "settings":
        always |= {"service_id": text(), "version": whole()}
        shown["msg"] = MSG
    else:
        number = text() if kind.version_as_text else whole()
        if kind.has_times:
            always |= {"service_id": text(), "version": number} | times()
        shown["msg"] = MSG
    return obj(always, shown, kind.help or kind.label)


def times() -> dict[str, Schema]:
    """Return the times that most responses have."""
    return {
        "created_at": nullable(moment()),
        "updated_at": nullable(moment()),
        "deleted_at": nullable(moment()),
    }


def shown_field(field: Field) -> Schema:
    """Return the schema of a field in a response."""
    if field.as_text:
        kinds = ["string", "integer"] if field.number_when_created else "string"
        schema: Schema = {"type": kinds}
    elif field.choices and field.type is Type.LIST:
        schema = array(choice(*field.choices))
    elif field.choices:
        unset = (None,) if field.nullable else ()
        schema = choice(*field.choices, *unset)
    else:
        schema = dict(TYPES[field.type])
    if field.nullable and "type" in schema:
        schema = nullable(schema)
    secret = "Shown to users who may configure the service." if field.secret else ""
    read_only = {"readOnly": True} if field.read_only else {}
    said = " ".join(each for each in (words_of(field), secret) if each)
    return schema | {"description": said} | read_only


def batch_of(kind: ItemKind) -> Schema:
    """Return the schema of a batch: operations on items."""
    key = kind.key_field or "id"
    names = {"op": choice(*Operation), key: text()}
    operation = fields_of(kind)["properties"] | names
    items = {"type": "object", "properties": operation, "required": ["op"]}
    return obj({kind.event: array(items, maxItems=MAX_ITEMS)})


def part_operation(view: str, method: str, kind: Kind) -> Described:
    """Return what an operation on the parts of a kind reads and answers."""
    one = ref(component_name(kind))
    if view == "PartList" and method == "GET":
        return Described(
            answer=array(one), query=IncludeReader if kind.segment == "domain" else {}
        )
    if method == "GET":
        return Described(
            answer=one, query=ContentReader if kind.segment == "vcl" else {}
        )
    if method == "DELETE":
        return Described(answer=STATUS_OK)
    fields = ref(f"{component_name(kind)}Fields")
    adds = method == "POST"
    return Described(
        answer=one,
        body=new_part(kind) if adds else fields,
        example=example_of(kind, adds=adds),
    )


def item_operation(view: str, method: str, kind: ItemKind) -> Described:
    """Return what an operation on the items of a kind reads and answers."""
    name = component_name(kind)
    if view in {"Items", "ItemBatch"} and method == "GET":
        return Described(answer=array(ref(name)), query=ItemPagingReader)
    if view == "ItemBatch":
        return Described(answer=STATUS_OK, body=ref(f"{name}Batch"), bodies=(JSON,))
    if method == "GET":
        return Described(answer=ref(name))
    if method == "DELETE":
        return Described(answer=STATUS_OK)
    adds = method == "POST"
    return Described(
        answer=ref(name),
        body=new_part(kind) if adds else ref(f"{name}Fields"),
        example=example_of(kind, adds=adds),
    )
