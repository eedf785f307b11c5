"""The notices of the signed-in person, and which of them they get by email."""

from typing import Final

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.actor import Interface
from accounts.authentication import (
    context_of,
    current_membership,
    login_actor,
    memberships_of,
    signed_in_user,
)
from accounts.commands.notices import choose_topics, mark_read
from accounts.errors import Invalid
from accounts.lists import ListForm, page_of
from accounts.models import Notice, User
from accounts.notices import Topic, topics_of
from accounts.queries import notices_of

CHOICES: Final = {"on": True, "off": False}  # anything else is the account's default
ALL: Final = "all"  # in place of a notice's id; a missing field must not mean all


class NoticeListForm(ListForm):
    """The search and filter of the list of notices."""

    topic = forms.ChoiceField(
        label="Topic",
        required=False,
        choices=[("", "Any"), *((each.value, each.label) for each in Topic)],
    )
    state = forms.ChoiceField(
        label="State", required=False, choices=[("", "Any"), ("new", "New")]
    )

    def rows(self, user: User) -> "QuerySet[Notice]":
        """Return the notices of a person that are searched for."""
        rows = notices_of(user.pk)
        if text := self.chosen("q"):
            rows = rows.filter(sentence__icontains=text)
        if topic := self.chosen("topic"):
            rows = rows.filter(topic=topic)
        return rows.filter(read_at=None) if self.chosen("state") else rows


@require_GET
@login_required
def notices(request: HttpRequest) -> HttpResponse:
    """List the person's notices, newest first."""
    form = NoticeListForm(request.GET)
    rows = form.rows(signed_in_user(request))
    page = page_of(request, rows, order=("-at", "-sequence", "-pk"))
    accounts = {notice.account_id for notice in page.rows}
    context = {
        "form": form,
        "page": page,
        "unread": rows.filter(read_at=None).count(),
        "several_accounts": len(accounts) > 1 or len(memberships_of(request)) > 1,
    }
    return render(request, "accounts/notices.html", context)


@require_POST
@login_required
def mark_notices_read(request: HttpRequest) -> HttpResponse:
    """Mark one notice as read, or all that the search and filter of the address find.

    Raises Invalid if the form names neither.
    """
    chosen = request.POST.get("notice", "")
    if not chosen:
        raise Invalid("Choose a notice.", field="notice")
    user = signed_in_user(request)
    rows = NoticeListForm(request.GET).rows(user)
    if chosen != ALL:
        rows = rows.filter(pk=chosen)
    marked = mark_read(user, notices=rows, now=timezone.now())
    if chosen == ALL:
        plural = "" if marked == 1 else "s"
        messages.success(request, f"Marked {marked:,} notice{plural} as read.")
    return redirect(f"{reverse('notices')}?{request.GET.urlencode()}")


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def notice_settings(request: HttpRequest) -> HttpResponse:
    """Choose by topic which notices are also sent by email, or leave it to the account's default."""
    user = signed_in_user(request)
    if request.method == "POST":
        choose_topics(
            login_actor(request, user, context_of(request, Interface.WEB)),
            user=user,
            choices={
                topic.value: CHOICES[chosen]
                for topic in Topic
                if (chosen := request.POST.get(topic, "")) in CHOICES
            },
            now=timezone.now(),
        )
        messages.success(request, "Saved which notices you get by email.")
        return redirect("notice_settings")
    here = current_membership(request)
    topics = topics_of(user, here.account if here else None)
    context = {
        "always": [each.topic for each in topics if each.topic.is_security],
        "optional": [each for each in topics if not each.topic.is_security],
        "several_accounts": len(memberships_of(request)) > 1,
    }
    return render(request, "accounts/notice_settings.html", context)
