"""What hangs beneath parts and belongs to no version, of every kind: one table."""

from typing import ClassVar

from django.db import models

from accounts.ids import new_id
from products.services.kinds.items import ITEM_KINDS, ItemKind
from products.services.models.sealed import SealedValues
from products.services.models.service import Service

MAX_ITEM_NAME_LENGTH = 256


class Item(models.Model):
    """An entry of an ACL, an item of a dictionary or a server of a pool.

    It is found by the public id of its part, which all clones of the part have.
    """

    service = models.ForeignKey(Service, on_delete=models.CASCADE, related_name="items")
    part_kind = models.CharField(max_length=40)
    part_id = models.CharField(max_length=22)
    public_id = models.CharField(max_length=22, default=new_id, editable=False)
    # Names the item in a path: the key of a dictionary's item, else the public id.
    name = models.CharField(max_length=MAX_ITEM_NAME_LENGTH)
    values = SealedValues(default=dict)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    objects: ClassVar = models.Manager()

    class Meta:
        default_permissions = ()
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["service", "part_kind", "part_id", "name"],
                name="item_name_is_unique_beneath_the_part",
                violation_error_message="The part has an item of this name.",
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def declared(self) -> ItemKind:
        """Return the declaration of the kind."""
        return ITEM_KINDS[self.part_kind]
