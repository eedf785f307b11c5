"""Fault 11: the disk is full. A page says so, nothing is half written, and it works again with space.

SQLite's `max_page_count` fills the disk at a known point; PostgreSQL has nothing like it.
"""

import pytest
from django.conf import settings
from django.db import connection

from accounts.audit.models import AuditEvent
from accounts.audit.queries import verify
from accounts.models import Account
from tests.factories.digests import digest_of_everything
from tests.factories.keys import key_of

PLENTY = 2**30
FORM = "application/x-www-form-urlencoded"


def set_pages(count):
    with connection.cursor() as cursor:
        cursor.execute(f"PRAGMA max_page_count = {count}")


def pages():
    """Return the size of the file, after freeing the pages that rows of earlier tests have left."""
    with connection.cursor() as cursor:
        cursor.execute("VACUUM")
        cursor.execute("PRAGMA page_count")
        return cursor.fetchone()[0]


if settings.DATABASES["default"]["ENGINE"].endswith("sqlite3"):

    @pytest.mark.django_db(transaction=True)
    def test_a_full_disk_changes_nothing_and_the_portal_works_after_it_has_space(
        client, sam
    ):
        headers = {"Fastly-Key": key_of(sam)}

        def create(name):
            return client.post("/api/service", f"name={name}", FORM, headers=headers)

        client.raise_request_exception = False
        statuses = []
        before: dict[str, str] = {}
        after: dict[str, str] = {}
        set_pages(pages())
        try:
            for number in range(60):  # some rows still fit into a page
                before = digest_of_everything(without=frozenset({"accounts_apitoken"}))
                statuses.append(create(f"service-{number}").status_code)
                if statuses[-1] != 200:
                    break
            after = digest_of_everything(without=frozenset({"accounts_apitoken"}))
            entries = AuditEvent.objects.count()
            page = client.get("/accounts/login/")
        finally:
            set_pages(PLENTY)

        assert statuses[-1] == 503
        assert after == before
        assert page.status_code == 200
        account = Account.objects.get(pk=sam.account_id)
        assert verify(account.pk).is_valid
        assert create("with-space").status_code == 200
        assert AuditEvent.objects.count() > entries
