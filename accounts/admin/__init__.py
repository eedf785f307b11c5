"""The admin's pages of accounts and users: they only read; changes are forms that call commands."""

from collections.abc import Callable
from functools import partial
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.template.defaultfilters import pluralize
from django.utils import timezone
from django.utils.formats import localize
from django.utils.html import format_html

from accounts.admin import proposals, trail  # noqa: F401 - registers their pages
from accounts.admin_pages import (
    NOTHING,
    ReadOnlyAdmin,
    ReadOnlyInline,
    ReasonForm,
    admin_url,
    row_or_404,
    set_filter,
    yes_no_filter,
)
from accounts.commands import offboarding
from accounts.commands.accounts import (
    create_account,
    propose_suspension,
    resume_account,
    suspend_account,
)
from accounts.commands.invitations import resend_invitation
from accounts.commands.proposals import needs_approval, proposed
from accounts.commands.security_policy import lift_security_policy
from accounts.lists import names_in_words
from accounts.models import (
    Account,
    ApiToken,
    Invitation,
    Membership,
    OutgoingMail,
    User,
)
from accounts.queries import account_services


class CreateAccountForm(forms.Form):
    """A new account and its first superuser."""

    name = forms.CharField(label="Name of the account", max_length=100)
    superuser_email = forms.EmailField(label="Superuser's email", max_length=254)
    superuser_name = forms.CharField(
        label="Superuser's name",
        max_length=100,
        help_text="An existing user gets an invitation and keeps their name. A new user gets an "
        "email to choose a password.",
    )


def service_access(membership: Membership) -> str:
    """Return which services a member has access to, in words (R21)."""
    return "Chosen services" if membership.is_limited else "All services"


class MembershipInline(ReadOnlyInline):
    """The accounts of a user."""

    model = Membership
    fields = readonly_fields = ("account", "role", "access", "created_at")
    show_change_link = True

    @admin.display(description="access to services")
    def access(self, membership: Membership) -> str:
        """Return the access to services in words."""
        return service_access(membership)


class AccountAdmin(ReadOnlyAdmin):
    """All accounts; forms create, suspend and resume them by the usual commands.

    The portal registers it with the page of one account, which shows what the apps above know.
    """

    list_display = ("name", "id", "created_at", "state")
    list_filter = (
        ("suspended_at", set_filter("state", unset="Active", filled="Suspended")),
    )
    search_fields = ("name",)  # shows the field
    search_help_text = (
        "A part of the account's name, or the start of its ID or of a member's email"
    )
    ordering = ("name", "id")
    fields = ()
    change_list_template = "admin/accounts/account_list.html"
    change_form_template = "admin/accounts/account.html"
    own_pages = (
        ("open/", "open_view", "accounts_account_open"),
        ("<str:account_id>/suspend/", "suspend_view", "accounts_account_suspend"),
        ("<str:account_id>/resume/", "resume_view", "accounts_account_resume"),
        (
            "<str:account_id>/lift-policy/",
            "lift_policy_view",
            "accounts_account_lift_policy",
        ),
    )

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Account], search_term: str
    ) -> tuple[QuerySet[Account], bool]:
        """Return the accounts that match the whole term.

        Django's search joins every account's members for each word: a third of a second with
        100,000 accounts.
        """
        term = search_term.strip()
        if not term:
            return queryset, False
        members = Membership.objects.filter(user__email__startswith=term.lower())
        found = (
            Q(name__icontains=term)
            | Q(pk__startswith=term)
            | Q(pk__in=members.values("account_id"))
        )
        return queryset.filter(found), False

    @admin.display(description="state")
    def state(self, account: Account) -> str:
        """Return whether the account is active or suspended."""
        return "active" if account.is_active else "suspended"

    def open_view(self, request: HttpRequest) -> HttpResponse:
        """Create an account with its first superuser."""
        return self.command_form_view(
            request,
            CreateAccountForm(request.POST or None),
            partial(create_account, password=None),
            title="Create account",
            button="Create account",
            done=lambda account: f"Created {account}.",
        )

    def suspend_view(self, request: HttpRequest, account_id: str) -> HttpResponse:
        """Suspend an account, with a reason."""
        account = row_or_404(Account, account_id)
        needs_two = needs_approval()
        command: Callable[..., Any] = (
            propose_suspension if needs_two else suspend_account
        )
        return self.command_form_view(
            request,
            ReasonForm(request.POST or None),
            partial(command, account=account),
            title=f"Suspend {account}",
            button="Propose suspension" if needs_two else "Suspend account",
            done=proposed if needs_two else lambda _: f"Suspended {account}.",
            back=account,
        )

    def resume_view(self, request: HttpRequest, account_id: str) -> HttpResponse:
        """End an account's suspension, with a reason."""
        account = row_or_404(Account, account_id)
        return self.command_form_view(
            request,
            ReasonForm(request.POST or None),
            partial(resume_account, account=account),
            title=f"Resume {account}",
            button="Resume account",
            done=lambda _: f"Resumed {account}.",
            back=account,
        )

    def lift_policy_view(self, request: HttpRequest, account_id: str) -> HttpResponse:
        """Lift an account's security policy, with a reason."""
        account = row_or_404(Account, account_id)
        title = f"Lift the security policy of {account}"
        return self.command_form_view(
            request,
            ReasonForm(request.POST or None),
            partial(lift_security_policy, account=account),
            title=title,
            button="Lift security policy",
            done=lambda _: f"Lifted the security policy of {account}.",
            back=account,
        )

    def trail_filter(self, row: Account) -> dict[str, str]:
        """Return the filter for the entries of the account."""
        return {"account": row.pk}


class StaffForm(forms.Form):
    """A new member of staff."""

    email = forms.EmailField(label="Email", max_length=254)
    name = forms.CharField(
        label="Name",
        max_length=100,
        help_text="An existing user keeps their name and password. A new user chooses a password "
        "with “Forgot your password?” on the sign-in page.",
    )


UserCommand = Callable[..., None]
# The command, the title and what is said when it is done, by the last part of the URL.
USER_DEEDS: dict[str, tuple[UserCommand, str, str]] = {
    "disable": (offboarding.disable_user, "Disable", "Disabled"),
    "enable": (offboarding.enable_user, "Enable", "Enabled"),
    "end-sessions": (
        offboarding.end_user_sessions,
        "End the sessions of",
        "Ended the sessions of",
    ),
    "revoke-tokens": (
        offboarding.revoke_user_tokens,
        "Revoke the API tokens of",
        "Revoked the API tokens of",
    ),
    "remove-staff": (
        offboarding.remove_staff,
        "Remove from the staff:",
        "Removed from the staff:",
    ),
}


@admin.register(User)
class UserAdmin(ReadOnlyAdmin):
    """All users; forms disable them, end sessions, revoke tokens, and appoint and remove staff."""

    trail_type = "user"
    change_list_template = "admin/accounts/user_list.html"
    change_form_template = "admin/accounts/user.html"
    own_pages = (
        ("appoint/", "appoint_view", "accounts_user_appoint"),
        ("<str:user_id>/do/<slug:deed>/", "deed_view", "accounts_user_deed"),
    )

    list_display = ("email", "name", "is_staff", "is_active", "last_sign_in")
    list_filter = (
        ("is_staff", yes_no_filter("staff", yes="Staff", no="Not staff")),
        ("is_active", yes_no_filter("state", yes="Active", no="Disabled")),
    )
    search_fields = ("email", "name", "id")
    search_help_text = "A part of the email, the name or the ID"
    ordering = ("email",)
    fields = (
        "id",
        "email",
        "name",
        "is_active",
        "is_staff",
        "created_at",
        "last_sign_in",
    )
    readonly_fields = ("last_sign_in",)
    inlines = (MembershipInline,)

    @admin.display(description="last sign-in", ordering="last_login")
    def last_sign_in(self, user: User) -> str:
        """Return when the user last signed in; Django calls it a login."""
        return NOTHING if user.last_login is None else str(localize(user.last_login))

    def appoint_view(self, request: HttpRequest) -> HttpResponse:
        """Appoint a member of staff."""
        return self.command_form_view(
            request,
            StaffForm(request.POST or None),
            partial(offboarding.appoint_staff, password=None),
            title="Appoint a member of staff",
            button="Appoint",
            done=lambda user: f"{user} is a member of staff.",
        )

    def deed_view(self, request: HttpRequest, user_id: str, deed: str) -> HttpResponse:
        """Review one of USER_DEEDS; on POST carry it out, with a reason."""
        user = row_or_404(User, user_id)
        if deed not in USER_DEEDS:
            raise Http404
        command, title, done = USER_DEEDS[deed]
        return self.command_form_view(
            request,
            ReasonForm(request.POST or None),
            partial(command, user=user),
            title=f"{title} {user}",
            button=f"{title} {user}",
            done=lambda _: f"{done} {user}.",
            back=user,
        )


class MembershipAdmin(ReadOnlyAdmin):
    """The members of all accounts.

    The portal registers it with the page of one member, which shows what they can do.
    """

    change_form_template = "admin/accounts/membership.html"

    list_display = ("user", "account", "role", "access", "disabled_at", "created_at")
    list_filter = (
        "role",
        ("disabled_at", set_filter("state", unset="Active", filled="Disabled")),
    )
    list_select_related = ("user", "account")
    search_fields = ("user__name", "user__email", "account__name", "=account__id")
    search_help_text = "Name or email of the member, or the account"
    ordering = ("account__name", "user__name", "pk")
    fields = readonly_fields = (*list_display, "updated_at")

    @admin.display(description="access to services")
    def access(self, membership: Membership) -> str:
        """Return the access to services in words."""
        return service_access(membership)

    def trail_filter(self, row: Membership) -> dict[str, str]:
        """Return the filter for the entries about the member."""
        return {"account": row.account_id, "target": row.user_id}


class TokenStateFilter(admin.SimpleListFilter):
    """Filter by whether API tokens can be used."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the choices."""
        return [("valid", "Valid"), ("expired", "Expired"), ("revoked", "Revoked")]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        """Apply the choice."""
        expired = Q(expires_at__lte=timezone.now())
        if self.value() == "valid":
            return queryset.filter(~expired, revoked_at=None)
        if self.value() == "expired":
            return queryset.filter(expired, revoked_at=None)
        if self.value() == "revoked":
            return queryset.filter(revoked_at__isnull=False)
        return queryset


@admin.register(ApiToken)
class ApiTokenAdmin(ReadOnlyAdmin):
    """API tokens of all accounts, without what they are checked by."""

    trail_type = "token"
    list_display = (
        *("name", "account", "acts_as", "scope", "access"),
        *("expires_at", "last_used_at", "revoked_at"),
    )
    list_filter = (
        TokenStateFilter,
        "scope",
        ("user", set_filter("owner", unset="Account", filled="User")),
    )
    list_select_related = ("account", "user")
    search_fields = (
        *("=id", "name", "user__name", "user__email"),
        *("=account__id", "account__name"),
    )
    search_help_text = (
        "A part of the name of the token, its owner or its account, of the owner's email, or an ID "
        "in full"
    )
    ordering = ("-created_at", "pk")
    fields = readonly_fields = (
        *("id", "name", "account", "acts_as", "scope", "named_services", "created_at"),
        *("ip", "user_agent", "expires_at", "last_used_at", "last_used_ip"),
        "revoked_at",
    )

    @admin.display(description="acts as")
    def acts_as(self, token: ApiToken) -> str:
        """Return the owner, as a link to their page, or the role of an automation token."""
        if token.user is None:
            return f"the account, as {token.role}"
        return format_html('<a href="{}">{}</a>', admin_url(token.user), token.user)

    @admin.display(description="access to services")
    def access(self, token: ApiToken) -> str:
        """Return how many services the token is limited to."""
        count = len(token.services)
        return f"{count:,} service{pluralize(count)}" if count else "All services"

    @admin.display(description="access to services")
    def named_services(self, token: ApiToken) -> str:
        """Return the names of the services that the token is limited to."""
        rows = account_services(token.account_id).filter(pk__in=token.services)
        names = dict(rows.values_list("pk", "name"))
        limits = [f"{names.get(key, 'deleted')} ({key})" for key in token.services]
        return names_in_words(limits) or "All services"


@admin.register(Invitation)
class InvitationAdmin(ReadOnlyAdmin):
    """All invitations; a form sends one again."""

    trail_type = "invitation"
    change_form_template = "admin/accounts/invitation.html"
    own_pages = (
        (
            "<str:invitation_id>/resend/",
            "resend_view",
            "accounts_invitation_resend",
        ),
    )
    list_display = (
        "email",
        "account",
        "role",
        "created_at",
        "expires_at",
        "accepted_at",
        "revoked_at",
    )
    list_filter = (
        "role",
        ("accepted_at", set_filter("answer", unset="Not accepted", filled="Accepted")),
        ("revoked_at", set_filter("state", unset="Not revoked", filled="Revoked")),
    )
    search_fields = ("email", "account__name")
    search_help_text = "A part of the email or of the account's name"
    list_select_related = ("account",)
    ordering = ("-created_at",)

    def resend_view(self, request: HttpRequest, invitation_id: str) -> HttpResponse:
        """Send an invitation again: a new link for seven days, and the old one ends."""
        invitation = row_or_404(Invitation, invitation_id)
        return self.command_form_view(
            request,
            forms.Form(request.POST or None),
            partial(resend_invitation, invitation=invitation),
            title=f"Send the invitation for {invitation.email} again",
            button="Send invitation again",
            done=lambda sent: f"Sent the invitation for {sent.email} again.",
            context={
                "explanation": f"{invitation.email} gets an email with a new link to "
                f"{invitation.account.name}, valid for 7 days. The link before it ends."
            },
        )


@admin.register(OutgoingMail)
class OutgoingMailAdmin(ReadOnlyAdmin):
    """All emails, with the problem of the last attempt."""

    list_display = (
        "to",
        "subject",
        "account",
        "due_at",
        "sent_at",
        "attempts",
        "problem",
    )
    list_filter = (
        ("sent_at", set_filter("state", unset="Not sent", filled="Sent")),
        ("problem", set_filter("last attempt", unset="No problem", filled="Failed")),
    )
    search_fields = ("to", "subject", "account__name")
    search_help_text = (
        "A part of the recipient's email, the subject or the account's name"
    )
    list_select_related = ("account",)
    ordering = ("-created_at",)
