"""The parts of a version, of every kind: one table."""

from typing import ClassVar

from django.db import models

from accounts.ids import new_id
from products.services.kinds import KINDS, Key, Kind
from products.services.models.sealed import SealedValues
from products.services.models.service import Version

MAX_PART_NAME_LENGTH = 255


class Part(models.Model):
    """A part of a version, found by its name.

    The declaration of its kind says which values it can have; `values` has those that were set.
    """

    version = models.ForeignKey(Version, on_delete=models.CASCADE, related_name="parts")
    kind = models.CharField(max_length=40)
    namespace = models.CharField(max_length=40)
    # Empty for a kind of which a version has one at most.
    name = models.CharField(max_length=MAX_PART_NAME_LENGTH, blank=True)
    # Clones have the same one, except for kinds that are found by it alone.
    public_id = models.CharField(
        "public ID", max_length=22, default=new_id, editable=False
    )
    position = models.PositiveIntegerField()  # in the order of adding; clones keep it
    values = SealedValues(default=dict)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    objects: ClassVar = models.Manager()

    class Meta:
        default_permissions = ()
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["version", "namespace", "name"],
                name="part_name_is_unique_in_the_version",
                violation_error_message="The version has one of this name.",
            )
        ]
        indexes: ClassVar = [
            # What hangs beneath a part, and rate limiters, are found by the id alone.
            models.Index(fields=["public_id"], name="part_by_public_id")
        ]

    def __str__(self) -> str:
        return self.name or self.declared.label

    @property
    def key(self) -> str:
        """Return what names the part in a path: its name or its id."""
        return self.public_id if self.declared.key is Key.ID else self.name

    @property
    def declared(self) -> Kind:
        """Return the declaration of the kind."""
        return KINDS[self.kind]

    def value(self, field: str) -> object:
        """Return the value of a field: the stored one, else the default."""
        return self.declared.by_name[field].value(self.values)
