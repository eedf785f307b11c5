"""The Django admin, with the portal's sign-in and without pages that bypass the commands."""

from collections.abc import Callable, Collection, Iterable
from functools import partial, update_wrapper
from http import HTTPStatus
from typing import Any, Final, TypeVar, cast

from allauth.account.adapter import get_adapter
from allauth.account.decorators import secure_admin_login
from django.contrib import admin
from django.db.models import Model
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseRedirect,
)
from django.shortcuts import render
from django.template.response import SimpleTemplateResponse, TemplateResponse
from django.urls import path, reverse
from django.utils import timezone

from accounts.audit.models import AuditEvent, ChainHead
from accounts.audit.vocabulary import Event
from accounts.authentication import signed_in_user, staff_actor_of
from accounts.commands.accounts import record_staff_view
from accounts.commands.sign_in import chains_of
from accounts.models import Account, Proposal, User
from accounts.queries import notices_of
from accounts.reauthentication import require_reauthentication
from portal.figures import system_status
from portal.health import all_checks
from products.enablement.models import ProductRequest

# The stock pages of these apps would change email addresses, second factors, sessions and groups
# without a command and without an audit entry.
EXCLUDED_APPS = frozenset({"auth", "account", "mfa", "usersessions"})


ViewT = TypeVar("ViewT", bound=Callable[..., HttpResponseBase])
# Of these, viewing is audit.read.
TRAIL_MODELS: Final = frozenset({AuditEvent, ChainHead})


class AdminSite(admin.AdminSite):
    """Django's admin; its own login has no rate limit, so it uses the portal's sign-in."""

    site_title = site_header = "Tollgate administration"
    index_title = "Administration"

    def register(
        self,
        model_or_iterable: type[Model] | Iterable[type[Model]],
        admin_class: "type[admin.ModelAdmin[Any]] | None" = None,
        **options: Any,
    ) -> None:
        """Register a page, unless it belongs to an excluded app."""
        given = model_or_iterable
        models = [given] if isinstance(given, type) else list(given)
        kept = [each for each in models if each._meta.app_label not in EXCLUDED_APPS]  # noqa: SLF001
        if kept:
            super().register(kept, admin_class, **options)

    def admin_view(self, view: ViewT, cacheable: bool = False) -> ViewT:  # noqa: FBT001, FBT002 - as Django's
        """Return a view that notes in the audit trail that staff read it."""
        inner = super().admin_view(view, cacheable)

        def noted(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            response = inner(request, *args, **kwargs)
            if request.method == "GET" and response.status_code == HTTPStatus.OK:
                _after(response, partial(self._note_view, request))
            return response

        return cast("ViewT", update_wrapper(noted, view))

    def get_urls(self) -> list[Any]:
        """Return the URLs, with those of the pages that belong to no model."""
        status = path("status/", self.admin_view(self.status_view), name="status")
        return [status, *super().get_urls()]

    def index(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> TemplateResponse:
        """Show the start page, with failed checks and what is open: proposals, requests, notices."""
        now = timezone.now()
        failed = [each for each in all_checks(now) if not each.is_ok]
        context = {
            "failed": failed,
            "proposals": Proposal.objects.filter(
                outcome="", expires_at__gt=now
            ).count(),
            "requests": ProductRequest.objects.filter(state="open").count(),
            "notices": notices_of(signed_in_user(request).pk)
            .filter(read_at=None)
            .count(),
        } | (extra_context or {})
        response: TemplateResponse = super().index(request, context)
        return response

    def status_view(self, request: HttpRequest) -> HttpResponse:
        """Show *System status*: the checks, what to do, and the figures."""
        status = system_status(timezone.now())
        context = self.each_context(request) | {
            "title": "System status",
            "status": status,
            "failed": [each for each in status.checks if not each.is_ok],
        }
        return render(request, "admin/status.html", context)

    def login(
        self, request: HttpRequest, extra_context: dict[str, object] | None = None
    ) -> HttpResponse:
        """Redirect to the portal's sign-in; refuse users who are not staff."""
        response: HttpResponse = secure_admin_login(super().login)(
            request, extra_context
        )
        return response

    def require_reauthentication(
        self, request: HttpRequest, title: str
    ) -> HttpResponse | None:
        """Return the page that asks staff who they are, or None if they may continue."""
        return require_reauthentication(request, title[:1].lower() + title[1:])

    def logout(  # type: ignore[override]  # returns a redirect
        self, request: HttpRequest, extra_context: dict[str, object] | None = None
    ) -> HttpResponse:
        """Sign out as the portal does, which is noted."""
        if request.user.is_authenticated:
            get_adapter(request).logout(request)
        return HttpResponseRedirect(reverse("account_login"))

    def password_change(  # type: ignore[override]  # returns a redirect
        self, request: HttpRequest, extra_context: dict[str, object] | None = None
    ) -> HttpResponse:
        """Redirect to the portal's own page, which notes an audit entry."""
        return HttpResponseRedirect(reverse("account_change_password"))

    def _note_view(self, request: HttpRequest) -> None:
        """Note a list or a row of customers' data; the catalogue and edges are not noted."""
        match = request.resolver_match
        name = (match.url_name if match else None) or ""
        model = next(
            (each for each in self._registry if name.startswith(_prefix(each))), None
        )
        if match is None or model is None or not _is_about_customers(model):
            return
        key = next(iter(match.kwargs.values()), None)
        # A form that starts from an account, of whatever it adds.
        of = Account if "account_id" in match.kwargs else model
        row = of._default_manager.filter(pk=key).first() if key else None  # noqa: SLF001 - Django's own name
        label = str(row) if row else str(model._meta.verbose_name_plural)  # noqa: SLF001
        record_staff_view(
            staff_actor_of(request),
            event=Event.AUDIT_READ if model in TRAIL_MODELS else Event.ACCOUNT_READ,
            account_ids=_accounts_of(row) if row else (),
            target=(str(of._meta.verbose_name), str(key or ""), label),  # noqa: SLF001
            now=timezone.now(),
        )


def _after(response: HttpResponseBase, act: Callable[[], None]) -> None:
    """Call `act` once the response is rendered, so that a list does not show its own view."""
    if isinstance(response, SimpleTemplateResponse):
        response.add_post_render_callback(lambda _: act())
    else:
        act()


def _prefix(model: type[Model]) -> str:
    """Return how the names of a model's admin URLs begin."""
    return f"{model._meta.app_label}_{model._meta.model_name}_"  # noqa: SLF001 - Django's own name


def _is_about_customers(model: type[Model]) -> bool:
    return model is User or hasattr(model, "account_id")


def _accounts_of(row: Model) -> Collection[str]:
    if isinstance(row, User):
        return chains_of(row)
    account_id: str = getattr(row, "account_id", "")
    return [account_id] if account_id else []
