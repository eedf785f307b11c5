"""Domain claims, and the domains of active versions."""

from datetime import datetime, timedelta
from typing import ClassVar

from django.db import models

from accounts.actor import MAX_ACTOR_LENGTH
from accounts.ids import new_id
from accounts.models import MAX_REASON_LENGTH, Account
from accounts.tokens import new_secret
from products.domains.names import ClaimedName
from products.services.models import Service

MAX_NAME_LENGTH = 255
MAX_PROBLEM_LENGTH = 500
# Long enough to have a record set by someone else, short enough that no list fills up.
PENDING_LIFETIME = timedelta(days=7)
# How long a verified claim outlives the last active version that used it.
UNUSED_LIFETIME = timedelta(days=90)


class DomainClaim(models.Model):
    """An account's claim on a name and the names below it; at most one per account and name.

    Only a verified claim keeps other accounts from the name. `used_at` is when an active version
    last used the name, at first the time of verification.
    """

    class State(models.TextChoices):
        """The states of a claim."""

        PENDING = "pending"
        VERIFIED = "verified"
        LOST = "lost"

    class Method(models.TextChoices):
        """How a claim was verified."""

        DNS = "dns", "TXT record"
        HTTP = "http", "HTTP token"
        OFF = "off", "verification is off"
        STAFF = "staff", "by staff"

    id = models.CharField(
        "ID", primary_key=True, max_length=22, default=new_id, editable=False
    )
    account = models.ForeignKey(
        Account, on_delete=models.PROTECT, related_name="domain_claims"
    )
    name = models.CharField(max_length=MAX_NAME_LENGTH, db_index=True)
    registrable_name = models.CharField(max_length=MAX_NAME_LENGTH, db_index=True)
    state = models.CharField(max_length=8, choices=State.choices, default=State.PENDING)
    method = models.CharField(max_length=5, choices=Method.choices, blank=True)
    token = models.CharField(max_length=64, default=new_secret, editable=False)
    requested_at = models.DateTimeField()
    requested_by = models.CharField(max_length=MAX_ACTOR_LENGTH)
    checked_at = models.DateTimeField(null=True, blank=True)
    problem = models.CharField(
        max_length=MAX_PROBLEM_LENGTH, blank=True
    )  # of the last check
    verified_at = models.DateTimeField(null=True, blank=True)
    used_at = models.DateTimeField(null=True, blank=True)
    contested_at = models.DateTimeField(null=True, blank=True)  # last mail about it
    lost_at = models.DateTimeField(null=True, blank=True)
    lost_reason = models.CharField(max_length=MAX_REASON_LENGTH, blank=True)

    class Meta:
        default_permissions = ()
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["account", "name"],
                name="one_claim_per_account_and_name",
                violation_error_message="The account already has a claim on this name.",
            ),
            models.UniqueConstraint(
                fields=["name"],
                condition=models.Q(state="verified"),
                name="one_verified_claim_per_name",
                violation_error_message="The name is claimed by another account.",
            ),
            models.CheckConstraint(
                condition=models.Q(state__in=["pending", "verified", "lost"]),
                name="claim_state_is_known",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["state", "requested_at"], name="claim_state")
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_verified(self) -> bool:
        """Tell whether the claim keeps other accounts from the name."""
        return self.state == self.State.VERIFIED

    @property
    def expires_at(self) -> datetime:
        """Return when the claim is lost unless it is verified before."""
        return self.requested_at + PENDING_LIFETIME

    def is_pending(self, now: datetime) -> bool:
        """Tell whether the claim can still be verified."""
        return self.state == self.State.PENDING and now < self.expires_at

    def covers(self, domain: str) -> bool:
        """Tell whether the claim covers a domain of a version."""
        return claimed_name(self.name, self.account_id, self.method).covers(domain)


def claimed_name(name: str, account_id: str, method: str) -> ClaimedName:
    """Return a verified claim as what it covers: an HTTP token proves one host only."""
    covers_below = method != DomainClaim.Method.HTTP
    return ClaimedName(name, account_id, covers_below)


class ActiveDomain(models.Model):
    """A domain of an active version; each name is in use once on the whole platform."""

    name = models.CharField(primary_key=True, max_length=MAX_NAME_LENGTH)
    service = models.ForeignKey(
        Service, on_delete=models.PROTECT, related_name="active_domains"
    )

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.name
