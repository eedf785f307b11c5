"""Two accounts that take overlapping names at the same moment."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import OperationalError, connection

from accounts.errors import RefusalError
from accounts.roles import Role
from products.deploy.commands import activate
from products.domains.commands import claim_domain
from products.domains.models import ActiveDomain, DomainClaim
from products.services.models import Version
from tests.factories import NOW
from tests.factories.accounts import AccountFactory, actor_for, member
from tests.factories.services import ServiceFactory, live_version

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def superusers(settings):
    """Return a superuser of each of two accounts, where no claim is verified."""
    settings.DOMAIN_VERIFICATION = "off"
    accounts = {AccountFactory.create(name=name): name for name in ("Acme", "Globex")}
    return [
        (account, actor_for(member(account, f"Sam of {name}", Role.SUPERUSER), account))
        for account, name in accounts.items()
    ]


def outcome(change, start):
    """Run a change when all are ready; return "done", or the code of the refusal.

    The tests' SQLite database in shared memory reports "locked" immediately; a file would wait.
    """
    start.wait(10)
    until = time.monotonic() + 20
    try:
        while time.monotonic() < until:
            try:
                change()
            except OperationalError:
                continue
            return "done"
    except RefusalError as refusal:
        return refusal.code
    finally:
        connection.close()
    return "timed out"


def outcomes(*changes):
    start = threading.Barrier(len(changes))
    with ThreadPoolExecutor(len(changes)) as pool:
        running = [pool.submit(outcome, change, start) for change in changes]
        return sorted(each.result() for each in running)


@pytest.mark.parametrize(
    "names", [("shop.com", "shop.com"), ("shop.com", "a.shop.com")]
)
def test_of_two_claims_one_is_verified(superusers, names):
    def claiming(account, actor, name):
        return lambda: claim_domain(actor, account=account, name=name, now=NOW)

    found = outcomes(
        *(
            claiming(account, actor, name)
            for (account, actor), name in zip(superusers, names, strict=True)
        )
    )

    assert found == ["domain_taken", "done"]
    assert DomainClaim.objects.filter(state="verified").count() == 1


def test_of_two_activations_one_gets_the_names(superusers):
    def activating(account, actor, name):
        version = live_version(ServiceFactory.create(account=account), name)
        Version.objects.filter(pk=version.pk).update(active=False, locked=False)
        version.refresh_from_db()
        return lambda: activate(actor, version=version, now=NOW)

    names = ("login.shop.com", "*.shop.com")
    found = outcomes(
        *(
            activating(account, actor, name)
            for (account, actor), name in zip(superusers, names, strict=True)
        )
    )

    assert found == ["deployment_refused", "done"]
    assert (
        ActiveDomain.objects.count() == Version.objects.filter(active=True).count() == 1
    )
