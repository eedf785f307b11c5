"""The admin's pages of an account and of a member: what every app knows about them."""

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from accounts.admin import AccountAdmin, MembershipAdmin
from accounts.models import Account, Membership
from portal.account_page import page_facts
from portal.member_page import member_facts


@admin.register(Account)
class AccountPageAdmin(AccountAdmin):
    """Accounts, each with a page from which staff reach all that belongs to it."""

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, object] | None = None,
    ) -> HttpResponse:
        """Show an account with its products, people, services, bill, trail and emails."""
        account = self.get_object(request, object_id)
        facts = {} if account is None else page_facts(account, timezone.now())
        return super().change_view(
            request,
            object_id,
            form_url,
            (extra_context or {}) | facts | {"title": account, "subtitle": None},
        )


@admin.register(Membership)
class MemberPageAdmin(MembershipAdmin):
    """Members, each with a page that says what they can do in the account, and why not."""

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, object] | None = None,
    ) -> HttpResponse:
        """Show a member with their abilities; `service` in the query asks about one service."""
        sought = request.GET.get("service", "").strip()
        person = self.get_object(request, object_id or "")
        facts = {} if person is None else member_facts(person, sought)
        return super().changeform_view(
            request, object_id, form_url, (extra_context or {}) | facts
        )
