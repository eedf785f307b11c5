"""Enablements, published prices and requests, for staff; the admin of billing has plans."""

from collections.abc import Callable
from functools import partial
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Case, QuerySet, When
from django.http import (
    HttpRequest,
    HttpResponse,
    QueryDict,
)
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import mark_safe

from accounts.admin_pages import (
    NOTHING,
    ReadOnlyAdmin,
    ReasonForm,
    account_link,
    row_or_404,
    set_filter,
)
from accounts.commands.proposals import needs_approval, proposed
from accounts.models import Account
from products.catalogue.models import Plan, PriceVersion
from products.catalogue.prices import NewPrice, price_rows
from products.catalogue.queries import price_state
from products.enablement.commands import (
    answer_request,
    assign_package,
    decline_request,
    end_trial,
    remove_package,
)
from products.enablement.commands.proposals import propose_package
from products.enablement.models import (
    MAX_NOTE_LENGTH,
    Enablement,
    ProductRequest,
    ServiceProduct,
)
from products.enablement.queries import assignable_plans
from products.enablement.verification import is_as_agreed


class PlanChoice(forms.ModelChoiceField):
    """A choice of plans, each after its product."""

    def label_from_instance(self, obj: Plan) -> str:
        """Return the product and the plan."""
        return f"{obj.product}: {obj}"


class AssignForm(forms.Form):
    """Which package an account gets, and why."""

    plan = PlanChoice(
        Plan.objects.none(), label="Package", empty_label="Choose a package"
    )
    reason = forms.CharField(
        required=False, help_text="The account's members can read it."
    )

    def __init__(self, data: QueryDict | None, *, account: Account) -> None:
        super().__init__(data)
        field = self.fields["plan"]
        assert isinstance(field, PlanChoice)  # noqa: S101 - for the type alone
        field.queryset = assignable_plans(account)


class AnswerForm(forms.Form):
    """What staff answer to a request."""

    answer = forms.CharField(
        max_length=MAX_NOTE_LENGTH,
        help_text="The requester gets it as a notice and by email.",
        widget=forms.Textarea({"rows": 3}),
    )


class PriceStateFilter(admin.SimpleListFilter):
    """In force, announced, past or withdrawn."""

    title = "state"
    parameter_name = "state"

    def lookups(
        self, request: HttpRequest, model_admin: object
    ) -> list[tuple[Any, Any]]:
        """Return the choices."""
        return PriceVersion.State.choices

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the versions in the chosen state."""
        return queryset.filter(state_now=self.value()) if self.value() else queryset


@admin.register(PriceVersion)
class PriceVersionAdmin(ReadOnlyAdmin):
    """Price versions: never changed, only followed by the next."""

    trail_type = "price_version"
    list_display = (
        "plan",
        "number",
        "price",
        "effective_from",
        "effective_to",
        "state",
        "is_example",
    )
    list_filter = (PriceStateFilter,)
    list_select_related = ("plan",)
    search_fields = (
        *("plan__name", "plan__product__name"),
        *("=plan__account__id", "plan__account__name"),
    )
    search_help_text = "A part of the name of the plan, its product or its account"
    ordering = ("plan__name", "-number")
    fields = readonly_fields = (
        *("plan", "number", "price", "effective_from", "effective_to"),
        *("state", "withdrawn_at", "is_example"),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[PriceVersion]:
        """Return the versions with their state of now."""
        rows: QuerySet[PriceVersion] = super().get_queryset(request)
        return rows.annotate(state_now=price_state(timezone.now()))

    @admin.display(description="state")
    def state(self, version: Any) -> str:
        """Return whether the version is in force, announced, past or withdrawn."""
        return PriceVersion.State(version.state_now).label

    @admin.display(description="price")
    def price(self, version: PriceVersion) -> str:
        """Return the whole price, a line each."""
        rows = ((row.label, row.amount) for row in price_rows(NewPrice.of(version)))
        return format_html_join(mark_safe("<br>"), "{}: {}", rows)


@admin.register(Enablement)
class EnablementAdmin(ReadOnlyAdmin):
    """Enablements of all accounts, with the text that was agreed to."""

    list_display = (
        "account",
        "product",
        "source",
        "starts_at",
        "ends_at",
        "started_by",
        "ended_by",
    )
    list_filter = (
        "product",
        "source",
        ("ends_at", set_filter("state", unset="Current", filled="Ended")),
    )
    list_select_related = ("account", "product")
    search_fields = ("=account__id", "account__name", "started_by", "ended_by")
    search_help_text = "A part of the name of the account or of who started or ended it"
    ordering = ("-starts_at",)
    change_form_template = "admin/enablement/enablement.html"
    own_pages = (
        ("assign/<str:account_id>/", "assign_view", "enablement_assign"),
        ("<str:enablement_id>/remove/", "remove_view", "enablement_remove"),
        ("<str:enablement_id>/end/", "end_view", "enablement_end_trial"),
    )

    def get_fields(self, request: HttpRequest, obj: Enablement | None = None) -> Any:
        """Return the row's fields, and whether the agreement is the one that was agreed to."""
        return [*super().get_fields(request, obj), "agreement"]

    @admin.display(description="agreement")
    def agreement(self, row: Enablement) -> str:
        """Tell whether sentence and record give the hashes kept with them."""
        if not row.agreed_text_hash:
            return NOTHING
        return "intact" if is_as_agreed(row) else "ALTERED"

    def assign_view(self, request: HttpRequest, account_id: str) -> HttpResponse:
        """Assign a package to an account."""
        account = row_or_404(Account, account_id)
        needs_two = needs_approval()
        command: Callable[..., Any] = propose_package if needs_two else assign_package
        return self.command_form_view(
            request,
            AssignForm(request.POST or None, account=account),
            partial(command, account=account),
            title=f"Assign a package to {account}",
            button="Propose package" if needs_two else "Assign",
            done=proposed
            if needs_two
            else lambda enablement: f"Assigned {enablement.product} to {account}.",
            back=account,
        )

    def remove_view(self, request: HttpRequest, enablement_id: str) -> HttpResponse:
        """Remove a package from an account, with a reason."""
        enablement = row_or_404(Enablement, enablement_id)
        account, product = enablement.account, enablement.product
        return self.command_form_view(
            request,
            ReasonForm(request.POST or None),
            partial(remove_package, account=account, product=product),
            title=f"Remove {product} from {account}",
            button="Remove the package",
            done=lambda _: f"Removed {product} from {account}.",
            back=account,
        )

    def end_view(self, request: HttpRequest, enablement_id: str) -> HttpResponse:
        """End an account's trial before its time, with a reason."""
        trial = row_or_404(Enablement, enablement_id)
        account, product = trial.account, trial.product
        return self.command_form_view(
            request,
            ReasonForm(request.POST or None),
            partial(end_trial, account=account, product=product),
            title=f"End the trial of {product} of {account}",
            button="End trial",
            done=lambda _: f"Ended the trial of {product} of {account}.",
            back=account,
        )


@admin.register(ServiceProduct)
class ServiceProductAdmin(ReadOnlyAdmin):
    """Products switched on for services."""

    list_display = (
        *("service", "account", "product", "starts_at", "ends_at", "started_by"),
    )
    list_filter = (
        "product",
        ("ends_at", set_filter("state", unset="Switched on", filled="Switched off")),
    )
    list_select_related = ("service__account", "product")
    search_fields = (
        *("=service__id", "service__name"),
        *("=service__account__id", "service__account__name"),
    )
    search_help_text = (
        "A part of the name of the service or its account, or its ID in full"
    )
    ordering = ("-starts_at",)

    @admin.display(description="account")
    def account(self, row: ServiceProduct) -> str:
        """Return the account's name, as a link to its page."""
        return account_link(row.service.account)


def _note_in_words(row: ProductRequest) -> str:
    return f"They wrote: “{row.note}”" if row.note else ""


@admin.register(ProductRequest)
class ProductRequestAdmin(ReadOnlyAdmin):
    """Requests for products (R17): the queue of staff, open ones first."""

    list_display = (
        "requested_at",
        "account",
        "product",
        "requested_by",
        "note",
        "state",
        "answers",
    )
    fields = readonly_fields = (
        *("account", "product", "requester", "requested_at", "note", "state"),
        *("answered_at", "answered_by", "answer"),
    )
    list_filter = ("state", "product__purchase_mode", "product")
    list_select_related = ("account", "product")
    ordering = (
        Case(When(state=ProductRequest.State.OPEN, then=0), default=1).asc(),
        "-requested_at",
    )
    search_fields = ("account__name", "=account__id", "requested_by", "note")
    search_help_text = (
        "A part of the account's name, of the requester's name or of the note"
    )
    change_form_template = "admin/enablement/request.html"
    own_pages = (
        ("<int:request_id>/answer/", "answer_view", "enablement_answer"),
        ("<int:request_id>/decline/", "decline_view", "enablement_decline"),
    )

    @admin.display(description="requested by")
    def requester(self, row: ProductRequest) -> str:
        """Return the requester's name, as a link to their page."""
        url = reverse("admin:accounts_user_change", args=[row.user_id])
        return format_html('<a href="{}">{}</a>', url, row.requested_by)

    @admin.display(description="answer")
    def answers(self, row: ProductRequest) -> str:
        """Return the answer; of an open request links to the forms that answer it."""
        if row.state != ProductRequest.State.OPEN:
            return f"{row.answered_by}: {row.answer}" if row.answer else row.answered_by
        links = (
            (reverse("admin:enablement_assign", args=[row.account_id]), "Assign…"),
            (reverse("admin:enablement_answer", args=[row.pk]), "Answer…"),
            (reverse("admin:enablement_decline", args=[row.pk]), "Decline…"),
        )
        return format_html_join(" ", '<a href="{}">{}</a>', links)

    def answer_view(self, request: HttpRequest, request_id: int) -> HttpResponse:
        """Answer a request with a note."""
        row = row_or_404(ProductRequest, request_id)
        return self.command_form_view(
            request,
            AnswerForm(request.POST or None),
            partial(answer_request, request=row),
            title=f"Answer the request of {row.requested_by} for {row.product}",
            button="Send answer",
            context={"explanation": _note_in_words(row)},
            done=lambda _: (
                f"Answered the request of {row.requested_by} for {row.product}."
            ),
        )

    def decline_view(self, request: HttpRequest, request_id: int) -> HttpResponse:
        """Decline a request, with a reason."""
        row = row_or_404(ProductRequest, request_id)
        return self.command_form_view(
            request,
            ReasonForm(request.POST or None),
            partial(decline_request, request=row),
            title=f"Decline the request of {row.requested_by} for {row.product}",
            button="Decline request",
            context={"explanation": _note_in_words(row)},
            done=lambda _: (
                f"Declined the request of {row.requested_by} for {row.product}."
            ),
        )
