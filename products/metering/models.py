"""The edges that carry and report; what they report comes with metering."""

from typing import ClassVar

from django.db import models

from accounts.ids import new_id


class Edge(models.Model):
    """An edge of the platform and its credential: shown once, kept as a keyed hash."""

    id = models.CharField(
        primary_key=True, max_length=22, default=new_id, editable=False
    )
    name = models.CharField(max_length=60)
    digest = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_seen_at = models.DateTimeField(null=True, blank=True)
    generation = models.BigIntegerField(default=0)  # of the table it asked for last

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["name"],
                condition=models.Q(revoked_at=None),
                name="one_live_credential_an_edge",
                violation_error_message="This edge has a live credential already.",
            )
        ]

    def __str__(self) -> str:
        return self.name
