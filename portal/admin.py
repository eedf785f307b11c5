"""The admin's page of an account: what every app knows about it, and what staff can do."""

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from accounts.admin import AccountAdmin
from accounts.models import Account
from portal.account_page import page_facts


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
