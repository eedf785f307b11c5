"""Accounts, users, memberships, invitations, API tokens, kept responses, mail, notices."""

from datetime import datetime
from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.db import models
from django.db.models.functions import Lower

from accounts.actor import AUTOMATION, MAX_ACTOR_LENGTH, TokenScope
from accounts.date_formats import MAX_FORMAT_LENGTH, DateFormat
from accounts.ids import new_id
from accounts.roles import AUTOMATION_ROLES, ROLES_WITH_LIMITED_ACCESS, Role
from accounts.time_zones import MAX_ZONE_LENGTH

MAX_REASON_LENGTH = 500  # that staff and superusers give for a change
MAX_PROBLEM_LENGTH = 500  # that prevents a mail from being sent
MAX_SUBJECT_LENGTH = 200
ROLE_CHOICES = [(role.value, role.value.capitalize()) for role in Role]
SCOPE_CHOICES = [(scope.value, scope.value) for scope in TokenScope]


def id_field() -> "models.CharField[str, str]":
    """Return a primary key field of 22 random characters."""
    return models.CharField(
        "ID", primary_key=True, max_length=22, default=new_id, editable=False
    )


class Account(models.Model):
    """A customer."""

    id = id_field()
    name = models.CharField(max_length=100)
    billing_zone = models.CharField(max_length=64, default="UTC")
    # Later billing zones, each with the month from which it counts: [["2026-12", "Europe/Berlin"]].
    zone_changes = models.JSONField(default=list, editable=False)
    # In which members read times, unless they chose one themselves.
    time_zone = models.CharField(max_length=MAX_ZONE_LENGTH, default="UTC")
    created_at = models.DateTimeField()
    suspended_at = models.DateTimeField(null=True, blank=True)
    suspension_reason = models.CharField(max_length=MAX_REASON_LENGTH, blank=True)
    # What it requires of its members beyond the operator's rules; see `security_policy`.
    second_factor_required = models.BooleanField(default=False)
    session_idle_seconds = models.PositiveIntegerField(null=True, blank=True)
    session_max_seconds = models.PositiveIntegerField(null=True, blank=True)
    # Moves with every change that may alter the account's routes (Event.affects_routes).
    routes_revision = models.BigIntegerField(default=0, editable=False)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=~models.Q(name=""),
                name="account_has_a_name",
                violation_error_message="An account needs a name.",
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def account_id(self) -> str:
        """Return the account's own id, which rows of the account have under this name."""
        return self.pk

    @property
    def is_active(self) -> bool:
        """Return whether the account is not suspended."""
        return self.suspended_at is None


class UserManager(BaseUserManager["User"]):
    """Creates users; email addresses are stored in lower case."""

    def get_by_natural_key(self, username: str | None) -> "User":
        """Return the user with an email address, ignoring its case."""
        return self.get(email=(username or "").lower())

    def create_user(
        self, email: str, password: str | None = None, **fields: Any
    ) -> "User":
        """Create a user with a hashed password; None gives a password that never matches."""
        user = self.model(email=email.lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user


class User(AbstractBaseUser, PermissionsMixin):
    """A person with a login; their permissions come from memberships."""

    id = id_field()
    email = models.EmailField(max_length=254, unique=True)
    name = models.CharField(max_length=100)
    is_active = models.BooleanField("active", default=True)
    is_staff = models.BooleanField("staff", default=False)
    created_at = models.DateTimeField(auto_now_add=True)
    password_changed_at = models.DateTimeField(null=True, blank=True)
    # Chosen last by the user, who may have left it since; "" if they never chose.
    last_account_id = models.CharField(max_length=22, blank=True)
    time_zone = models.CharField(
        max_length=MAX_ZONE_LENGTH, blank=True
    )  # "": the account's
    date_format = models.CharField(
        max_length=MAX_FORMAT_LENGTH, default=DateFormat.ENGLISH.value
    )

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar = ["name"]

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                Lower("email"),
                name="user_email_is_unique",
                violation_error_message="This email address already has a login.",
            ),
            models.CheckConstraint(
                condition=models.Q(date_format__in=[each.value for each in DateFormat]),
                name="date_format_is_known",
            ),
        ]

    def __str__(self) -> str:
        return self.name or self.email

    def get_full_name(self) -> str:
        """Return the name; Django's admin and guardian ask for it."""
        return self.name

    def get_short_name(self) -> str:
        """Return the name; Django's admin asks for it."""
        return self.name


class Membership(models.Model):
    """A user's role in one account (R20, R22)."""

    id = id_field()
    account = models.ForeignKey(
        Account, on_delete=models.PROTECT, related_name="memberships"
    )
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="memberships")
    role = models.CharField(max_length=16, choices=ROLE_CHOICES)
    limit_services = models.BooleanField(default=False)
    # A disabled member keeps their role, and can do nothing in the account until enabled again.
    disabled_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["account", "user"],
                name="one_membership_per_user_and_account",
                violation_error_message="This user is already a member of the account.",
            ),
            models.CheckConstraint(
                condition=models.Q(role__in=[role.value for role in Role]),
                name="membership_role_is_known",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user}, {self.role} of {self.account}"

    @property
    def is_limited(self) -> bool:
        """Return whether the member has access to chosen services only (R21)."""
        return self.limit_services and self.role in ROLES_WITH_LIMITED_ACCESS


class Invitation(models.Model):
    """An offer by email to join an account. Its link is the signed id, so no secret is stored."""

    id = id_field()
    account = models.ForeignKey(
        Account, on_delete=models.PROTECT, related_name="invitations"
    )
    email = models.EmailField(max_length=254)
    name = models.CharField(max_length=100, blank=True)  # proposed to a new user
    role = models.CharField(max_length=16, choices=ROLE_CHOICES)
    limit_services = models.BooleanField("limited to chosen services", default=False)
    services = models.JSONField(default=dict)  # service id -> access level
    invited_by = models.CharField(max_length=MAX_ACTOR_LENGTH)
    # The invitation counts while this user may still invite; None if it was not sent by a user.
    inviter = models.ForeignKey(
        User, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["account", "email"],
                condition=models.Q(accepted_at=None, revoked_at=None),
                name="one_open_invitation_per_address",
                violation_error_message="This address already has a pending invitation.",
            )
        ]

    def __str__(self) -> str:
        return f"{self.email} to {self.account}"


class ApiToken(models.Model):
    """An API token: shown once, stored as a keyed hash.

    It acts as its user, or, as an automation token, for the account in a role of its own.
    """

    id = id_field()
    user = models.ForeignKey(
        User, null=True, on_delete=models.PROTECT, related_name="api_tokens"
    )
    role = models.CharField(max_length=16, blank=True)  # of an automation token
    account = models.ForeignKey(
        Account, on_delete=models.PROTECT, related_name="api_tokens"
    )
    name = models.CharField(max_length=100)
    scope = models.CharField(max_length=16, choices=SCOPE_CHOICES)
    services = models.JSONField(default=list)  # ids; empty for all
    digest = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    last_used_ip = models.CharField("last used from", max_length=64, blank=True)
    expiry_noted_at = models.DateTimeField(null=True, blank=True)  # the latest
    revoked_at = models.DateTimeField(null=True, blank=True)
    ip = models.CharField("created from", max_length=64, blank=True)
    user_agent = models.CharField(max_length=300, blank=True)

    class Meta:
        verbose_name = "API token"
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(scope__in=[scope.value for scope in TokenScope]),
                name="token_scope_is_known",
            ),
            models.CheckConstraint(
                condition=models.Q(user__isnull=False, role="")
                | models.Q(
                    user=None, role__in=[role.value for role in AUTOMATION_ROLES]
                ),
                name="token_has_a_user_or_a_role",
            ),
        ]

    # Set by `find_token`: whether the account requires a second factor of its members.
    account_requires_factor = False

    def __str__(self) -> str:
        return self.name

    @property
    def is_automation(self) -> bool:
        """Return whether the token belongs to the account and to no user."""
        return self.user_id is None

    @property
    def label(self) -> str:
        """Return who acts with the token, as the audit trail has it."""
        if self.user is None:
            return f"{self.name} ({AUTOMATION})"
        return f"{self.user} ({self.name})"


class KeptResponse(models.Model):
    """The response to a call with an `Idempotency-Key`; `status` is 0 while the call runs."""

    scope = models.CharField(primary_key=True, max_length=64)  # a digest
    body_digest = models.CharField(max_length=64)
    request_id = models.CharField(max_length=64)
    started_at = models.DateTimeField(db_index=True)
    status = models.PositiveSmallIntegerField(default=0)
    headers = models.JSONField(default=dict)
    body = models.TextField(blank=True)

    def __str__(self) -> str:
        return f"{self.status} of request {self.request_id}"


class OutgoingMail(models.Model):
    """An email queued with the change that caused it, and sent after commit by a sweep.

    `{link}` in the body is replaced by a link when the email is sent, so that no secret is stored:
    the invitation's, or the one by which `password_of` sets a password, once.
    """

    account = models.ForeignKey(  # None: to staff, about the platform
        Account, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    invitation = models.ForeignKey(
        Invitation, null=True, on_delete=models.PROTECT, related_name="+"
    )
    password_of = models.ForeignKey(
        User,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name="sets the password of",
    )
    to = models.EmailField(max_length=254)
    subject = models.CharField(max_length=MAX_SUBJECT_LENGTH)
    body = models.TextField()
    created_at = models.DateTimeField()
    due_at = models.DateTimeField(db_index=True)
    sent_at = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveIntegerField(default=0)
    problem = models.CharField(max_length=MAX_PROBLEM_LENGTH, blank=True)

    class Meta:
        verbose_name = "outgoing email"

    def __str__(self) -> str:
        return f"{self.subject} to {self.to}"

    @classmethod
    def unsent(cls) -> "models.QuerySet[OutgoingMail]":
        """Return the emails that are not sent yet."""
        return cls._default_manager.filter(sent_at=None)

    @classmethod
    def sendable(cls, now: datetime) -> "models.QuerySet[OutgoingMail]":
        """Return the emails to send, without those for invitations that can't be accepted."""
        acceptable = models.Q(
            invitation__accepted_at=None,
            invitation__revoked_at=None,
            invitation__expires_at__gt=now,
        )
        return cls.unsent().filter(models.Q(invitation=None) | acceptable)


class Notice(models.Model):
    """What one person is notified of in one entry of a trail, in the words of that time."""

    id = id_field()
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="notices")
    account = models.ForeignKey(  # None: to staff, about the platform
        Account, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    sequence = models.BigIntegerField()  # of the entry
    topic = models.CharField(max_length=16)
    sentence = models.TextField()
    details = models.TextField(blank=True)
    page = models.CharField(max_length=200)  # the path of the page to look at
    at = models.DateTimeField()  # of the entry
    read_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["user", "account", "sequence"],
                name="one_notice_per_person_and_entry",
                violation_error_message="This person already has a notice about the entry.",
            ),
            models.UniqueConstraint(
                fields=["user", "sequence"],
                condition=models.Q(account=None),
                name="one_notice_per_person_and_platform_entry",
                violation_error_message="This person already has a notice about the entry.",
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["user", "at", "sequence", "id"], name="notice_of_user"
            ),
            models.Index(fields=["at"], name="notice_by_age"),
            models.Index(
                fields=["user"],
                condition=models.Q(read_at=None),
                name="unread_notice_of_user",
            ),
        ]

    def __str__(self) -> str:
        return self.sentence


class NoticePreference(models.Model):
    """Whether a person gets the notices of a topic by email; without a row the account's default counts."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    topic = models.CharField(max_length=16)
    by_email = models.BooleanField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["user", "topic"],
                name="one_preference_per_person_and_topic",
                violation_error_message="This person already chose about the topic.",
            )
        ]

    def __str__(self) -> str:
        return f"{self.topic} for {self.user_id}"


class NoticeDefault(models.Model):
    """Whether members who have not chosen get a topic by email; without a row they do."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="+")
    topic = models.CharField(max_length=16)
    by_email = models.BooleanField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["account", "topic"],
                name="one_default_per_account_and_topic",
                violation_error_message="This account already has a default of the topic.",
            )
        ]

    def __str__(self) -> str:
        return f"{self.topic} of {self.account_id}"


class Proposal(models.Model):
    """A change that a member of staff proposed, and that another has to approve."""

    class Outcome(models.TextChoices):
        """How a proposal was decided."""

        APPROVED = "approved"
        DECLINED = "declined"

    id = id_field()
    kind = models.CharField(max_length=40)
    summary = models.TextField()
    arguments = models.JSONField()
    account = models.ForeignKey(
        Account, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    reason = models.CharField(max_length=MAX_REASON_LENGTH, blank=True)
    proposed_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    proposed_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    outcome = models.CharField(max_length=8, choices=Outcome.choices, blank=True)
    decided_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    decided_at = models.DateTimeField(null=True, blank=True)
    decision_reason = models.CharField(max_length=MAX_REASON_LENGTH, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(outcome="", decided_by=None, decided_at=None)
                | models.Q(
                    outcome__in=["approved", "declined"],
                    decided_by__isnull=False,
                    decided_at__isnull=False,
                ),
                name="decided_proposal_has_outcome",
            ),
            models.CheckConstraint(
                condition=~models.Q(
                    outcome="approved", decided_by=models.F("proposed_by")
                ),
                name="proposal_is_approved_by_another",
            ),
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def title(self) -> str:
        """Return the first line of the summary."""
        return self.summary.partition("\n")[0]

    def is_open(self, now: datetime) -> bool:
        """Tell whether the proposal can still be approved."""
        return not self.outcome and now < self.expires_at


class SecretId(models.Model):
    """The id of a secret of the portal that the database was used with; see portal/secret_ids.py."""

    name = models.CharField(max_length=40, primary_key=True)
    key_id = models.CharField(max_length=16)

    def __str__(self) -> str:
        return f"{self.name} {self.key_id}"
