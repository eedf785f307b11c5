"""Activations and deactivations of versions."""

from typing import ClassVar

from django.db import models

from accounts.actor import MAX_ACTOR_LENGTH
from accounts.ids import new_id
from products.services.models import Service
from products.services.models.service import MAX_COMMENT_LENGTH


class Deployment(models.Model):
    """One activation or deactivation of a version; append only."""

    class Kind(models.TextChoices):
        """What happened."""

        ACTIVATED = "activated"
        DEACTIVATED = "deactivated"

    id = models.CharField(
        "ID", primary_key=True, max_length=22, default=new_id, editable=False
    )
    service = models.ForeignKey(
        Service, on_delete=models.PROTECT, related_name="deployments"
    )
    version = models.PositiveIntegerField()
    replaced = models.PositiveIntegerField(null=True, blank=True)
    kind = models.CharField(max_length=12, choices=Kind.choices)
    comment = models.CharField(max_length=MAX_COMMENT_LENGTH, blank=True)
    findings = models.JSONField(default=list)  # the warnings at that time, as sentences
    deployed_by = models.CharField(max_length=MAX_ACTOR_LENGTH)
    deployed_at = models.DateTimeField()

    class Meta:
        indexes: ClassVar = [models.Index(fields=["service", "deployed_at"])]

    def __str__(self) -> str:
        return f"{self.kind} version {self.version} of {self.service}"
