"""The admin's pages of an account and of a member: what every app knows about them."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone

from accounts.admin import AccountAdmin, MembershipAdmin
from accounts.models import Account, Membership
from portal.account_page import page_facts
from portal.member_page import member_facts


@admin.register(Account)
class AccountPageAdmin(AccountAdmin):
    """Accounts, each with a page from which staff reach all that belongs to it."""

    def row_context(self, request: HttpRequest, row: Account) -> dict[str, Any]:
        """Return an account's products, people, services, bill, trail and emails."""
        return page_facts(row, timezone.now()) | {"title": row, "subtitle": None}


@admin.register(Membership)
class MemberPageAdmin(MembershipAdmin):
    """Members, each with a page that says what they can do in the account, and why not."""

    def row_context(self, request: HttpRequest, row: Membership) -> dict[str, Any]:
        """Return a member's abilities; `service` in the query asks about one service."""
        return member_facts(row, request.GET.get("service", "").strip())
