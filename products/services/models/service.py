"""A customer's service and its versions."""

from typing import ClassVar

from django.db import models

from accounts.actor import MAX_ACTOR_LENGTH, Actor
from accounts.ids import new_id
from accounts.models import Account
from accounts.policy import AccountAccess, visible_services
from accounts.roles import AccessLevel
from products.services.lifecycle import VersionState

# The permission of each access level on one service (R21).
ACCESS_CODENAMES = {level: f"access_{level.value}" for level in AccessLevel}
MAX_SERVICE_NAME_LENGTH = 120
MAX_COMMENT_LENGTH = 500


class ServiceQuerySet(models.QuerySet["Service"]):
    """Services, and how to select them."""

    def existing(self) -> "ServiceQuerySet":
        """Keep those that are not deleted."""
        return self.filter(deleted_at=None)

    def visible_to(self, actor: Actor) -> "ServiceQuerySet":
        """Keep those that the actor may see: none for a non-member."""
        rows = visible_services(self, actor)
        assert isinstance(rows, ServiceQuerySet)  # noqa: S101 - for the type alone
        return rows

    def visible_in(self, access: AccountAccess) -> "ServiceQuerySet":
        """Keep those that an actor whose access was read may see."""
        rows = access.visible(self)
        assert isinstance(rows, ServiceQuerySet)  # noqa: S101 - for the type alone
        return rows


class Service(models.Model):
    """A customer's service."""

    class Type(models.TextChoices):
        """Fastly's two kinds."""

        VCL = "vcl", "VCL"
        WASM = "wasm", "Wasm"

    id = models.CharField(
        "ID", primary_key=True, max_length=22, default=new_id, editable=False
    )
    account = models.ForeignKey(
        Account, on_delete=models.PROTECT, related_name="services"
    )
    name = models.CharField(max_length=MAX_SERVICE_NAME_LENGTH)
    comment = models.CharField(max_length=MAX_COMMENT_LENGTH, blank=True)
    type = models.CharField(max_length=4, choices=Type.choices, default=Type.VCL)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()
    deleted_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar = ServiceQuerySet.as_manager()

    class Meta:
        default_permissions = ()
        permissions: ClassVar = [
            (codename, f"Has {level.value.replace('_', ' ')} access")
            for level, codename in ACCESS_CODENAMES.items()
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["account", "name"],
                condition=models.Q(deleted_at=None),
                name="service_name_is_unique_in_the_account",
                violation_error_message="The account has a service of this name.",
            ),
            models.CheckConstraint(
                condition=~models.Q(name=""), name="service_has_a_name"
            ),
            models.CheckConstraint(
                condition=models.Q(type__in=["vcl", "wasm"]),
                name="service_type_is_known",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def service_id(self) -> str:
        """Return the service's own id, which rows of the service have under this name."""
        return self.pk


class Version(models.Model):
    """One configuration of a service: a draft until it is locked or activated (see lifecycle)."""

    service = models.ForeignKey(
        Service, on_delete=models.PROTECT, related_name="versions"
    )
    number = models.PositiveIntegerField()
    comment = models.CharField(max_length=MAX_COMMENT_LENGTH, blank=True)
    active = models.BooleanField(default=False)
    locked = models.BooleanField(default=False)
    staged = models.BooleanField(default=False)  # edges have no staging, so only a mark
    author = models.CharField(max_length=MAX_ACTOR_LENGTH)
    cloned_from = models.PositiveIntegerField(null=True, blank=True)
    revision = models.PositiveIntegerField(
        default=0
    )  # grows with each edit; for save conflicts
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        default_permissions = ()
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["service", "number"], name="version_number_is_unique"
            ),
            models.UniqueConstraint(
                fields=["service"],
                condition=models.Q(active=True),
                name="one_active_version_per_service",
            ),
            models.UniqueConstraint(
                fields=["service"],
                condition=models.Q(staged=True),
                name="one_staged_version_per_service",
            ),
            models.CheckConstraint(
                condition=models.Q(active=False, staged=False) | models.Q(locked=True),
                name="an_active_or_staged_version_is_locked",
            ),
        ]

    def __str__(self) -> str:
        return f"version {self.number}"

    @property
    def account_id(self) -> str:
        """Return the id of the account."""
        return self.service.account_id

    @property
    def state(self) -> VersionState:
        """Return the state of the version."""
        if self.active:
            return VersionState.ACTIVE
        return VersionState.LOCKED if self.locked else VersionState.DRAFT
