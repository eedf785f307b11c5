"""Services: the list, one service with its versions, and comparing them."""

from collections.abc import Mapping

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods

from accounts.actor import Actor
from accounts.authentication import actor_of
from accounts.errors import Conflict
from accounts.feedback import success_with_audit_link
from accounts.form_errors import form_errors, form_status
from accounts.lists import ListForm, page_of, some_of
from accounts.models import Account
from accounts.policy import decide, load_access, members_with
from accounts.queries import account_of
from accounts.roles import Permission
from products.calendars import calendar_of
from products.compatibility.version_config import WEBSOCKETS
from products.deploy.queries import (
    last_activations,
    previous_version,
    recent_deployments,
)
from products.enablement.queries import (
    conflicts_by_service,
    current,
    other_switches,
    own_requests,
    services_with,
    switch_of,
)
from products.enablement.review import superusers_of
from products.services.commands.services import (
    create_service,
    delete_service,
    update_service,
)
from products.services.comparison import compare
from products.services.models import Service, Version
from products.services.models.service import ServiceQuerySet
from products.services.queries import (
    active_version,
    active_versions,
    domains_of,
    get_service,
    get_version,
    matching_services,
    services_of,
    versions_of,
)
from products.web.current_usage import service_usage
from products.web.differences import shown_differences
from products.web.finding_links import ShownFinding, shown_conflicts
from products.web.recent_usage import recent_usage

DEPLOYMENTS_SHOWN = 10
VERSIONS_SHOWN = 20
DOMAINS_SHOWN = 3  # of one service in the list


class ServiceForm(forms.Form):
    """A service's name and comment."""

    name = forms.CharField(label="Name")
    comment = forms.CharField(label="Comment", required=False)


class CompareForm(forms.Form):
    """The numbers of the two versions that are compared: by default the newest and the one before."""

    def __init__(self, newest: int, data: Mapping[str, str] | None) -> None:
        """Accept the numbers from 1 to the newest."""
        super().__init__(data)
        for name, label, number in (
            ("from", "From version", max(newest - 1, 1)),
            ("to", "To version", newest),
        ):
            self.fields[name] = forms.IntegerField(
                label=label,
                initial=number,
                min_value=1,
                max_value=newest,
                widget=forms.NumberInput(attrs={"class": "short"}),
                error_messages=dict.fromkeys(
                    ("required", "invalid", "min_value", "max_value"),
                    f"Enter a version from 1 to {newest}.",
                ),
            )


class ServiceListForm(ListForm):
    """The search and filters of the list of services."""

    state = forms.ChoiceField(
        label="State",
        required=False,
        choices=[("", "Any"), ("active", "Active"), ("not", "Not deployed")],
    )
    websockets = forms.ChoiceField(
        label="WebSockets",
        required=False,
        choices=[
            ("", "On or off"),
            ("on", "On"),
            ("off", "Off"),
            ("conflict", "Has a conflict"),
        ],
    )
    sort = forms.ChoiceField(
        label="Order",
        required=False,
        choices=[("", "By name"), ("new", "Newest first")],
    )

    @property
    def wants_conflicts(self) -> bool:
        """Tell whether only services with a conflict are listed."""
        return self.chosen("websockets") == "conflict"


@login_required
@require_http_methods(["GET", "POST"])
def services(request: HttpRequest) -> HttpResponse:
    """List the services that the user can see; POST creates one."""
    actor = actor_of(request)
    account = account_of(actor)
    creating = decide(actor, Permission.SERVICE_CREATE, account)
    form = ServiceForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        with form_errors(form):
            created = create_service(
                actor,
                account=account,
                name=form.cleaned_data["name"],
                comment=form.cleaned_data["comment"],
                now=timezone.now(),
            )
            success_with_audit_link(
                request,
                actor,
                f"Created {created.name} with an empty draft.",
                service=created.pk,
            )
            return redirect("version", service_id=created.pk, number=1)
    visible = services_of(actor)
    search = ServiceListForm(request.GET)
    orders = {"new": ("-created_at", "pk")}
    page = page_of(
        request,
        _narrowed(visible, account, search).prefetch_related(
            "products", "active_domains"
        ),
        order=orders.get(search.chosen("sort"), ("name", "pk")),
    )
    conflicts = _conflicts(page.rows) if search.wants_conflicts else {}
    context = {
        "search": search,
        "page": page,
        "total": visible.count(),
        "services": [
            (row, _is_on(row), _domains(row), conflicts.get(row.pk, ()))
            for row in page.rows
        ],
        "form": form,
        "creating": creating,
    }
    return render(request, "products/services.html", context, status=form_status(form))


def _narrowed(
    rows: ServiceQuerySet, account: Account, search: ServiceListForm
) -> ServiceQuerySet:
    """Keep the services that a form selects."""
    if text := search.chosen("q"):
        rows = matching_services(rows, text)
    if state := search.chosen("state"):
        active = Q(pk__in=Version.objects.filter(active=True).values("service"))
        rows = rows.filter(active if state == "active" else ~active)
    if search.wants_conflicts:
        found = conflicts_by_service(list(rows), with_=WEBSOCKETS)
        rows = rows.filter(pk__in=[key for key, findings in found.items() if findings])
    elif switch := search.chosen("websockets"):
        with_it = services_with(account.pk, WEBSOCKETS).order_by().values("pk")
        on = Q(pk__in=with_it)
        rows = rows.filter(on if switch == "on" else ~on)
    return rows


def _conflicts(services: list[Service]) -> dict[str, list[ShownFinding]]:
    """Return what prevents WebSockets on services, by id."""
    found = conflicts_by_service(services, with_=WEBSOCKETS)
    versions = active_versions(services)
    return {
        key: shown_conflicts(findings, versions.get(key))
        for key, findings in found.items()
    }


def _domains(service: Service) -> list[str]:
    return some_of([row.name for row in service.active_domains.all()], DOMAINS_SHOWN)


def _is_on(service: Service) -> bool:
    return any(
        p.product_id == WEBSOCKETS and p.ends_at is None for p in service.products.all()
    )


@login_required
@require_http_methods(["GET", "POST"])
def service(request: HttpRequest, service_id: str) -> HttpResponse:
    """Show a service; POST changes its name and comment."""
    actor = actor_of(request)
    found = get_service(actor, service_id)
    form = ServiceForm(
        request.POST if request.method == "POST" else None,
        initial={"name": found.name, "comment": found.comment},
    )
    if form.is_valid():
        with form_errors(form):
            update_service(
                actor,
                service=found,
                name=form.cleaned_data["name"],
                comment=form.cleaned_data["comment"],
                now=timezone.now(),
            )
            messages.success(request, "Saved.")
            return redirect("service", service_id=found.pk)
    return render(
        request,
        "products/service.html",
        _service_context(request, actor, found, form),
        status=form_status(form),
    )


def _service_context(
    request: HttpRequest, actor: Actor, found: Service, form: ServiceForm
) -> dict[str, object]:
    account = account_of(actor)
    access = load_access(actor, account.pk)
    now = timezone.now()
    switch = switch_of(found, WEBSOCKETS)
    every = versions_of(found)
    page = page_of(
        request,
        every,
        order=("-number",),
        key="number",
        size=VERSIONS_SHOWN,
        prefix="versions-",
    )
    active = active_version(found)
    numbers = {each.number for each in (*page.rows, *([active] if active else []))}
    activations = last_activations(found, numbers)
    return {
        "service": found,
        "page": page,
        "versions": [(each, activations.get(each.number)) for each in page.rows],
        "active": active,
        "activation": activations.get(active.number) if active else None,
        "draft": every.filter(locked=False).last(),
        "cloned": active or every.last(),
        "previous": previous_version(found),
        "deploying": access.decide(Permission.SERVICE_DEPLOY, found.pk),
        "domains": domains_of(found),
        "switch": switch,
        "enablement": current(account.pk, WEBSOCKETS),
        "others": other_switches(found),
        "configuring": access.decide(Permission.SERVICE_CONFIGURE, found.pk),
        "comparing": access.decide(Permission.SERVICE_COMPARE, found.pk),
        "configurers": [
            str(m.user)
            for m in members_with(Permission.SERVICE_CONFIGURE, account.pk, found.pk)
        ],
        "superusers": superusers_of(account),
        "may_enable": access.decide(Permission.PRODUCT_ENABLE).allowed,
        "requested": own_requests(account, actor.user_id, now).get(WEBSOCKETS),
        "history": recent_deployments(found, limit=DEPLOYMENTS_SHOWN),
        "usage_panel": service_usage(actor, found, now),
        "recent": recent_usage([found.pk], calendar_of(found.account), now)
        if switch
        else None,
        "form": form,
    }


@login_required
@require_http_methods(["GET", "POST"])
def remove_service(request: HttpRequest, service_id: str) -> HttpResponse:
    """Ask for confirmation; POST deletes a service without an active version."""
    actor = actor_of(request)
    found = get_service(actor, service_id)
    context: dict[str, object] = {
        "service": found,
        "active": active_version(found),
        "configuring": decide(actor, Permission.SERVICE_CONFIGURE, found),
    }
    if request.method == "POST":
        try:
            delete_service(actor, service=found, now=timezone.now())
        except Conflict as refused:
            context["problem"] = refused.message
            return render(request, "products/service_delete.html", context, status=409)
        success_with_audit_link(
            request, actor, f"Service {found.name} is deleted.", service=found.pk
        )
        return redirect("services")
    return render(request, "products/service_delete.html", context)


@login_required
@require_GET
def compare_versions(request: HttpRequest, service_id: str) -> HttpResponse:
    """Show the differences between two versions."""
    actor = actor_of(request)
    found = get_service(actor, service_id)
    deciding = decide(actor, Permission.SERVICE_COMPARE, found)
    context: dict[str, object] = {"service": found, "comparing": deciding}
    newest = versions_of(found).last() if deciding.allowed else None
    if newest is None or newest.number == 1:
        return render(request, "products/compare.html", context | {"newest": newest})
    is_chosen = "from" in request.GET or "to" in request.GET
    form = CompareForm(newest.number, request.GET if is_chosen else None)
    context["form"] = form
    if form.is_valid():
        numbers = [form.cleaned_data[name] for name in ("from", "to")]
        old, new = (get_version(actor, found.pk, number) for number in numbers)
        context |= {
            "old": old,
            "new": new,
            "differences": shown_differences(compare(old, new)),
        }
    return render(request, "products/compare.html", context, status=form_status(form))
