"""The tables of the audit trail: chained entries, chain heads, erasable personal data."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import models
from django.db.models import Index, Q

from accounts.actor import ActorType, Interface
from accounts.audit.entry_body import Change, changes, wrong_clock
from accounts.audit.vocabulary import DESCRIPTIONS, FASTLY_TYPES, Outcome

PLATFORM = "platform"  # the chain of what belongs to no account
# Labels are copied from names that users choose; PostgreSQL cannot index a text of any length.
MAX_LABEL_LENGTH = 255
# SERVICE/NUMBER/KIND/NAME with the longest name of a part is the longest id.
MAX_TARGET_ID_LENGTH = 320


class AuditEvent(models.Model):
    """One entry; `canonical` is the hashed text, and other columns copy it for searching.

    Ids and names are plain text without foreign keys, so that a user or a product can be deleted
    without changing the trail.
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

    # Of a list of entries of many accounts: the account's present name, and the whole as a sentence.
    account_name = ""
    sentence = ""

    class Meta:
        verbose_name = "entry"
        verbose_name_plural = "entries"
        constraints = [
            models.UniqueConstraint(
                fields=["account_id", "sequence"],
                name="audit_event_once_in_chain",
                violation_error_message="The account's trail already has an entry with this number.",
            ),
            models.CheckConstraint(
                condition=Q(outcome__in=[each.value for each in Outcome]),
                name="audit_event_outcome",
                violation_error_message="The outcome must be done or refused.",
            ),
            models.CheckConstraint(
                condition=Q(actor_type__in=[each.value for each in ActorType]),
                name="audit_event_actor_type",
                violation_error_message="Unknown type of actor.",
            ),
            models.CheckConstraint(
                condition=Q(interface__in=[each.value for each in Interface]),
                name="audit_event_interface",
                violation_error_message="Unknown interface.",
            ),
        ]
        # Newest first is (at, id) descending. Each index ends with both, so that one index gives a
        # filtered page in order and the next page starts after the last row.
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
            # The operator classes let PostgreSQL find the start of a request id too.
            Index(
                fields=["request_id", "at", "id"],
                name="audit_event_request",
                opclasses=["varchar_pattern_ops", "timestamptz_ops", "int8_ops"],
            ),
            Index(fields=["interface", "at", "id"], name="audit_event_interface_at"),
        ]

    def __str__(self) -> str:
        """Return the entry's account, number and event."""
        return f"{self.account_id} #{self.sequence} {self.action}"

    @property
    def body(self) -> Mapping[str, Any]:
        """The fields of the canonical text; empty if it is not a JSON object."""
        try:
            body = json.loads(self.canonical)
        except json.JSONDecodeError:
            return {}
        return body if isinstance(body, dict) else {}

    @property
    def wrong_clock(self) -> datetime | None:
        """What the clock said, if it was more than two seconds behind the entry before."""
        return wrong_clock(self.body)

    @property
    def is_about_actor(self) -> bool:
        """Whether the target is the user who acted, such as in "signed in"."""
        return self.target_id in {self.actor_id, self.body.get("on_behalf_of")}

    @property
    def description(self) -> str:
        """What happened, as a verb phrase: "enabled a product"."""
        # An event of a newer version of the code has no description here.
        return DESCRIPTIONS.get(self.action, self.action)

    @property
    def fastly_type(self) -> str:
        """Fastly's type of the event; "" if Fastly has none."""
        return FASTLY_TYPES.get(self.action, "")

    @property
    def changes(self) -> tuple[Change, ...]:
        """The changed fields, before and after."""
        return changes(self.body)


class ChainHead(models.Model):
    """The end of an account's chain; its row is locked while entries are appended."""

    account_id = models.CharField("account ID", max_length=22, primary_key=True)
    sequence = models.BigIntegerField(default=0)
    event_hash = models.CharField("hash of the last entry", max_length=64)
    at = models.DateTimeField("last entry at", null=True)

    class Meta:
        verbose_name = "chain"

    def __str__(self) -> str:
        """Return the account's id."""
        return self.account_id


class TrailCursor(models.Model):
    """How far a reader has read an account's trail; see `reader`."""

    reader = models.CharField(max_length=64)
    account_id = models.CharField(max_length=22)
    sequence = models.BigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["reader", "account_id"],
                name="one_cursor_per_reader_and_account",
                violation_error_message="The reader already has a position in this trail.",
            )
        ]

    def __str__(self) -> str:
        """Return the reader, the account and the position."""
        return f"{self.reader} in {self.account_id} at {self.sequence}"


class SearchTerm(models.Model):
    """A word that staff can search for, and the entries that it means: `column` equals `value`.

    There is one row per distinct name or id, however many entries have it, so the start of a word
    is found quickly. Derived from entries when they are appended; it has no personal values.
    """

    folded = models.CharField(max_length=MAX_TARGET_ID_LENGTH)
    column = models.CharField(max_length=16)  # of AuditEvent
    value = models.CharField(max_length=MAX_TARGET_ID_LENGTH)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["folded", "column", "value"],
                name="audit_search_term_once",
                violation_error_message="The term is already known.",
            )
        ]
        indexes = [
            Index(
                fields=["folded"],
                name="audit_search_start",
                opclasses=["varchar_pattern_ops"],
            )
        ]

    def __str__(self) -> str:
        """Return the term and its column."""
        return f"{self.folded} in {self.column}"


class PersonalData(models.Model):
    """A personal value of an entry, which contains only its hash: erasing it keeps the chain valid."""

    class Kind(models.TextChoices):
        """The kind of value."""

        IP = "ip", "IP address"
        EMAIL = "email", "email address"
        USER_AGENT = "user_agent", "browser or program"

    account_id = models.CharField(max_length=22)
    sequence = models.BigIntegerField()
    event_id = models.BigIntegerField()  # the entry's row, for searching
    kind = models.CharField(max_length=16, choices=Kind)
    salt = models.CharField(max_length=32)
    value = models.TextField()

    class Meta:
        verbose_name = "personal value"
        constraints = [
            models.UniqueConstraint(
                fields=["account_id", "sequence", "kind"],
                name="audit_personal_once_per_event",
                violation_error_message="The entry already has a value of this kind.",
            ),
            models.CheckConstraint(
                condition=Q(kind__in=["ip", "email", "user_agent"]),
                name="audit_personal_kind",
                violation_error_message="Unknown kind of personal value.",
            ),
        ]
        indexes = [
            Index(
                fields=["value", "event_id"],
                name="audit_personal_ip",
                condition=Q(kind="ip"),
                opclasses=["text_pattern_ops", "int8_ops"],
            )
        ]

    def __str__(self) -> str:
        """Return the entry and the kind, without the value."""
        return f"{self.account_id} #{self.sequence} {self.kind}"


# Equal refusals that have an entry; further ones are counted. The last of them makes a notice.
RECORDED_REFUSALS = 3


class RepeatedRefusal(models.Model):
    """How often an entry's refusal was repeated. It is not in the chain, so that a loop cannot fill that."""

    account_id = models.CharField(max_length=22)
    sequence = models.BigIntegerField()  # of the last refusal that has an entry
    count = models.PositiveIntegerField(default=1)  # without those that have entries
    last_at = models.DateTimeField()

    class Meta:
        verbose_name = "repeated refusal"
        constraints = [
            models.UniqueConstraint(
                fields=["account_id", "sequence"],
                name="audit_repeats_once_per_event",
                violation_error_message="The repeats of this entry are counted already.",
            )
        ]

    def __str__(self) -> str:
        """Return the entry and how often it was repeated."""
        return f"{self.account_id} #{self.sequence} + {self.count}"
