"""Shared by the tests of the product pages: a signed-in client and an account with WebSockets."""

import html
import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.audit.models import AuditEvent
from products.enablement.commands import enable, enable_for_service
from tests.factories.world import agreed

TAG = re.compile(r"<[^>]+>")


def text_of(answer):
    """Return the text of a page without tags, in one line."""
    plain = TAG.sub(" ", answer.content.decode())
    return " ".join(html.unescape(plain).split()).replace(" .", ".").replace(" ,", ",")


def queries_of(client, page):
    """Return how many queries a page makes when it is loaded again."""
    client.get(page)
    with CaptureQueriesContext(connection) as asked:
        assert client.get(page).status_code == 200
    return len(asked)


def actions_of(account):
    """Return the events of an account's audit trail, oldest first."""
    rows = AuditEvent.objects.filter(account_id=account.pk).order_by("sequence")
    return list(rows.values_list("action", flat=True))


@pytest.fixture
def enabled(acme, sam, websockets, now):
    """Return Acme's enablement of WebSockets, made by Sam."""
    return enable(
        sam,
        account=acme,
        product=websockets,
        agreement=agreed(acme, websockets),
        now=now,
    )


@pytest.fixture
def switched_on(enabled, sam, echo, websockets, now):
    """Return echo, with WebSockets on."""
    enable_for_service(sam, service=echo, product=websockets, now=now)
    return echo


def edit_page(version, kind="backend", name="origin"):
    return reverse("edit_part", args=[version.service_id, version.number, kind, name])


def as_typed(client, page, **changes):
    """Return the data that the form of a page sends, with changes."""
    context = client.get(page).context
    form = context["form"]
    fields = {field.name: field.value() for field in form}
    typed = {
        name: value for name, value in fields.items() if value not in (None, False, "")
    }
    return typed | {"base": context["base"]} | changes
