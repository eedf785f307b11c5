"""What hangs beneath parts and belongs to no version: ACL entries, dictionary items, pool servers."""

import hashlib
from typing import Any

from django.utils import timezone
from rest_framework import serializers
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import paging
from accounts.authentication import TokenRequest
from accounts.body_text import OneOfField, text_in
from accounts.errors import Invalid, NotFound, for_each
from accounts.readable import choices_in_words
from accounts.roles import Permission
from products.api import fields
from products.api.lookups import (
    CONFIGURE,
    part_of_service,
    record_not_found,
    service_at,
    version_at,
)
from products.api.parts import OK
from products.api.services import valid
from products.services.commands.items import ItemChange, Operation, change_items
from products.services.kinds.items import ITEM_KINDS, ItemKind
from products.services.models import Item, Part
from products.services.queries import items_of

ORDERS = {"created": "pk", "updated": "updated_at"}


class ItemPagingReader(serializers.Serializer[Any]):
    """Page and order of a list of items."""

    page = serializers.IntegerField(min_value=1, max_value=1_000_000, default=1)
    per_page = serializers.IntegerField(min_value=1, max_value=1_000, default=100)
    sort = OneOfField(choices=sorted(ORDERS), default="created")
    direction = OneOfField(choices=["ascend", "descend"], default="ascend")


class ItemView(APIView):
    """Reads, finds and returns items of one kind in Fastly's format."""

    def part_at(self, request: TokenRequest, needs: Permission | None = None) -> Part:
        """Return the part that the path names."""
        service = service_at(request.auth, self.kwargs["service_id"], needs)
        return part_of_service(service, self.kwargs["kind"], self.kwargs["part_id"])

    @property
    def declared(self) -> ItemKind:
        """Return the declaration of the items."""
        return ITEM_KINDS[self.kwargs["kind"]]

    def to_json(self, part: Part, row: Item) -> fields.Json:
        """Return an item; values of a write-only dictionary are never shown."""
        shown: fields.Json = {"id": row.public_id} if self.declared.shows_id else {}
        shown |= self.declared.in_api(row.values, lambda _field: False)
        if part.values.get("write_only"):
            shown.pop("item_value", None)
        return shown | {
            f"{part.kind}_id": part.public_id,
            "service_id": row.service_id,
            "created_at": row.created_at,
            "updated_at": row.updated_at,
            "deleted_at": None,
        }

    def changed(
        self, request: TokenRequest, part: Part, operation: Operation, name: str = ""
    ) -> Item:
        """Carry out one operation with the fields in the body."""
        sent = fields.read(self.declared, request.data)
        key = self.declared.key_field
        if key:
            asked = text_in(sent, key, name)
            if name not in {"", asked}:
                raise Invalid(f"{key}: The key can't be changed.", field=key)
            name = asked
        change = ItemChange(operation=operation, name=name, fields=sent)
        try:
            (row,) = change_items(
                request.auth, part=part, changes=[change], now=timezone.now()
            )
        except NotFound as error:
            raise record_not_found(self.declared.not_found, name) from error
        return row


class Items(ItemView):
    """List the items of a part, a page at a time."""

    def get(
        self, request: TokenRequest, service_id: str, kind: str, part_id: str
    ) -> Response:
        """Return a page of items, the oldest first, with a Link header."""
        asked = valid(ItemPagingReader(data=request.query_params.dict()))
        part = self.part_at(request)
        rows = items_of(part).order_by(ORDERS[asked["sort"]], "pk")
        if asked["direction"] == "descend":
            rows = rows.reverse()
        body = [self.to_json(part, row) for row in rows[paging.span(asked)]]
        return Response(body, headers=paging.links(request, asked, rows.count()))


class ItemBatch(Items):
    """List the items of a part, and change many of them together."""

    def patch(
        self, request: TokenRequest, service_id: str, kind: str, part_id: str
    ) -> Response:
        """Carry out all operations of the batch, or none."""
        part = self.part_at(request, CONFIGURE)
        sent = request.data.get(self.declared.event)
        if not isinstance(sent, list) or not all(
            isinstance(each, dict) for each in sent
        ):
            raise Invalid(f"{self.declared.event}: Enter a list of operations.")
        changes = for_each(sent, "Operation", self._change)
        change_items(request.auth, part=part, changes=changes, now=timezone.now())
        return Response(OK)

    def _change(self, sent: fields.Json) -> ItemChange:
        if sent.get("op") not in list(Operation):
            raise Invalid(f"op: Choose {choices_in_words(Operation)}.", field="op")
        name = text_in(sent, self.declared.key_field or "id")
        return ItemChange(
            operation=Operation(sent["op"]),
            name=name,
            fields=fields.read(self.declared, sent),
        )


class NewItem(ItemView):
    """Add an item."""

    def post(
        self, request: TokenRequest, service_id: str, kind: str, part_id: str
    ) -> Response:
        """Add an item with the fields in the body."""
        part = self.part_at(request, CONFIGURE)
        return Response(
            self.to_json(part, self.changed(request, part, Operation.CREATE))
        )


class OneItem(ItemView):
    """Show, change and remove one item."""

    def get(
        self, request: TokenRequest, service_id: str, kind: str, part_id: str, name: str
    ) -> Response:
        """Return the item."""
        part = self.part_at(request)
        row = items_of(part).filter(name=name).first()
        if row is None:
            raise record_not_found(self.declared.not_found, name)
        return Response(self.to_json(part, row))

    def patch(
        self, request: TokenRequest, service_id: str, kind: str, part_id: str, name: str
    ) -> Response:
        """Change the fields in the body."""
        part = self.part_at(request, CONFIGURE)
        row = self.changed(request, part, Operation.UPDATE, name)
        return Response(self.to_json(part, row))

    def put(
        self, request: TokenRequest, service_id: str, kind: str, part_id: str, name: str
    ) -> Response:
        """Change the fields in the body; an item with a key is added if it is missing."""
        part = self.part_at(request, CONFIGURE)
        operation = Operation.UPSERT if self.declared.key_field else Operation.UPDATE
        return Response(
            self.to_json(part, self.changed(request, part, operation, name))
        )

    def delete(
        self, request: TokenRequest, service_id: str, kind: str, part_id: str, name: str
    ) -> Response:
        """Remove the item."""
        self.changed(request, self.part_at(request, CONFIGURE), Operation.DELETE, name)
        return Response(OK)


class DictionaryInfo(APIView):
    """`GET …/version/N/dictionary/ID/info`: how many items a dictionary has, and their digest."""

    def get(
        self, request: TokenRequest, service_id: str, number: int, part_id: str
    ) -> Response:
        """Return count, digest and the time of the last change."""
        version = version_at(request.auth, service_id, number)
        part = part_of_service(version.service, "dictionary", part_id)
        rows = list(items_of(part).order_by("name"))
        text = "".join(
            f"{row.name}\0{row.values.get('item_value', '')}\0" for row in rows
        )
        changed = max([row.updated_at for row in rows], default=part.updated_at)
        return Response(
            {
                "item_count": len(rows),
                "digest": hashlib.sha256(text.encode()).hexdigest(),
                # Clients read this time in a format of its own.
                "last_updated": f"{changed:%Y-%m-%d %H:%M:%S}",
            }
        )
