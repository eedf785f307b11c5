"""The trail's tables: events chained per account, the heads of the chains, erasable personal data."""

import json
from collections.abc import Mapping
from typing import Any

from django.db import models
from django.db.models import Index, Q

from accounts.actor import ActorType, Interface
from accounts.audit.entry_body import Change, changes
from accounts.audit.vocabulary import DESCRIPTIONS, FASTLY_TYPES, Outcome

PLATFORM = "platform"  # the chain of what belongs to no account
# Labels are copied from names that users choose; PostgreSQL cannot index a text of any length.
MAX_LABEL_LENGTH = 255
# SERVICE/NUMBER/KIND/NAME with the longest name of a part is the longest id.
MAX_TARGET_ID_LENGTH = 320


class AuditEvent(models.Model):
    """One thing that happened; `canonical` is the truth and the other columns copy it for searching.

    Ids and names are plain text without foreign keys: deleting a user or a product must neither
    be held up by the trail nor take a part of it along.
    """

    account_id = models.CharField(max_length=22)
    sequence = models.BigIntegerField()
    at = models.DateTimeField()
    action = models.CharField(max_length=64)
    actor_type = models.CharField(max_length=16)
    actor_id = models.CharField(max_length=64)
    actor_label = models.CharField(max_length=MAX_LABEL_LENGTH)
    target_type = models.CharField(max_length=64)
    target_id = models.CharField(max_length=MAX_TARGET_ID_LENGTH)
    target_label = models.CharField(max_length=MAX_LABEL_LENGTH, blank=True)
    product = models.CharField(max_length=64, blank=True)
    service_id = models.CharField(max_length=22, blank=True)
    outcome = models.CharField(max_length=16)
    interface = models.CharField(max_length=16)
    request_id = models.CharField(max_length=64, blank=True)
    canonical = models.TextField()
    prev_hash = models.CharField(max_length=64)
    event_hash = models.CharField(max_length=64)

    class Meta:
        verbose_name = "event"
        constraints = [
            models.UniqueConstraint(
                fields=["account_id", "sequence"],
                name="audit_event_once_in_chain",
                violation_error_message="The account's trail already has an event of this number.",
            ),
            models.CheckConstraint(
                condition=Q(outcome__in=[each.value for each in Outcome]),
                name="audit_event_outcome",
                violation_error_message="The outcome is neither done nor refused.",
            ),
            models.CheckConstraint(
                condition=Q(actor_type__in=[each.value for each in ActorType]),
                name="audit_event_actor_type",
                violation_error_message="There is no such kind of actor.",
            ),
            models.CheckConstraint(
                condition=Q(interface__in=[each.value for each in Interface]),
                name="audit_event_interface",
                violation_error_message="There is no such interface.",
            ),
        ]
        # Newest first is (at, id) downwards; each index carries both, so that a filtered page is
        # read off one index and the next page starts where the last one ended.
        indexes = [
            Index(fields=["at", "id"], name="audit_event_at"),
            Index(fields=["account_id", "at", "id"], name="audit_event_account"),
            Index(fields=["action", "at", "id"], name="audit_event_action"),
            Index(fields=["actor_id", "at", "id"], name="audit_event_actor"),
            Index(fields=["actor_label", "at", "id"], name="audit_event_actor_label"),
            Index(fields=["target_id", "at", "id"], name="audit_event_target"),
            Index(fields=["target_label", "at", "id"], name="audit_event_target_label"),
            Index(fields=["product", "at", "id"], name="audit_event_product"),
            Index(fields=["service_id", "at", "id"], name="audit_event_service"),
            Index(fields=["outcome", "at", "id"], name="audit_event_outcome_at"),
            Index(fields=["request_id", "at", "id"], name="audit_event_request"),
            Index(fields=["interface", "at", "id"], name="audit_event_interface_at"),
        ]

    def __str__(self) -> str:
        """Name the event by its place in its chain."""
        return f"{self.account_id} #{self.sequence} {self.action}"

    @property
    def body(self) -> Mapping[str, Any]:
        """The fields of the canonical text; none where it was altered into something else."""
        try:
            body = json.loads(self.canonical)
        except json.JSONDecodeError:
            return {}
        return body if isinstance(body, dict) else {}

    @property
    def description(self) -> str:
        """What happened, as a verb phrase: "enabled a product"."""
        # An event of a later edition, read by an earlier one, goes by its name.
        return DESCRIPTIONS.get(self.action, self.action)

    @property
    def fastly_type(self) -> str:
        """Fastly's type of the event; "" where Fastly has none."""
        return FASTLY_TYPES.get(self.action, "")

    @property
    def changes(self) -> tuple[Change, ...]:
        """The fields that changed, before and after."""
        return changes(self.body)


class ChainHead(models.Model):
    """The end of an account's chain; its row is the lock under which the chain grows."""

    account_id = models.CharField(max_length=22, primary_key=True)
    sequence = models.BigIntegerField(default=0)
    event_hash = models.CharField(max_length=64)
    at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = "chain"

    def __str__(self) -> str:
        """Name the chain by its account."""
        return self.account_id


class PersonalData(models.Model):
    """A personal value of an event, which commits to it only; erasing the row leaves the chain sound."""

    class Kind(models.TextChoices):
        """What the value is."""

        IP = "ip", "IP address"
        EMAIL = "email", "e-mail address"
        USER_AGENT = "user_agent", "browser or program"

    account_id = models.CharField(max_length=22)
    sequence = models.BigIntegerField()
    kind = models.CharField(max_length=16, choices=Kind)
    salt = models.CharField(max_length=32)
    value = models.TextField()

    class Meta:
        verbose_name = "personal value"
        constraints = [
            models.UniqueConstraint(
                fields=["account_id", "sequence", "kind"],
                name="audit_personal_once_per_event",
                violation_error_message="The event already has a value of this kind.",
            ),
            models.CheckConstraint(
                condition=Q(kind__in=["ip", "email", "user_agent"]),
                name="audit_personal_kind",
                violation_error_message="There is no such kind of personal value.",
            ),
        ]

    def __str__(self) -> str:
        """Name the value by its event, without showing it."""
        return f"{self.account_id} #{self.sequence} {self.kind}"
