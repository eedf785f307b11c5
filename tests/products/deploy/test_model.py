"""Fault 18: random sequences of commands; what the tables say is always what the trail says.

`make test` runs a few short sequences, `make nightly` 500 of 50 steps.
"""

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from accounts.audit.models import AuditEvent
from accounts.audit.queries import verify
from accounts.errors import RefusalError
from accounts.roles import Role
from products.catalogue.models import Product
from products.deploy.commands import activate, deactivate
from products.enablement.commands import (
    disable,
    disable_for_service,
    enable_for_service,
)
from products.enablement.models import Enablement
from products.services.models import Version
from tests.factories import NOW
from tests.factories.accounts import AccountFactory, actor_for, member
from tests.factories.enablement import entitle
from tests.factories.services import (
    BackendFactory,
    DomainFactory,
    ServiceFactory,
    VersionFactory,
)
from tests.factories.world import load_catalogue

WHO = st.sampled_from(["sam", "eve", "una"])
STATE = {
    "product.enabled": ("product", True),
    "product.disabled": ("product", False),
    "service_product.enabled": ("service", True),
    "service_product.disabled": ("service", False),
    "version.activated": ("version", True),
    "version.deactivated": ("version", False),
}


class Commands(RuleBasedStateMachine):
    """An account with three people and a service, to which commands happen in any order."""

    def __init__(self):
        super().__init__()
        self.account = AccountFactory.create()
        roles = {"sam": Role.SUPERUSER, "eve": Role.ENGINEER, "una": Role.USER}
        self.people = {
            name: actor_for(
                member(self.account, f"{name}-{self.account.pk}", role), self.account
            )
            for name, role in roles.items()
        }
        self.product = Product.objects.get(pk="websockets")
        self.service = ServiceFactory.create(account=self.account)
        self.version = VersionFactory.create(service=self.service, number=1)
        DomainFactory.create(
            version=self.version, name=f"{self.service.pk.lower()}.example"
        )
        BackendFactory.create(
            version=self.version, name="origin", port=80, use_ssl=False
        )

    def attempt(self, command, who, **given):
        try:
            command(self.people[who], now=NOW, **given)
        except RefusalError:
            self.refused = True

    @rule(who=WHO)
    def enable(self, who):
        try:
            entitle(self.people[who], self.account, self.product)
        except RefusalError:
            self.refused = True

    @rule(who=WHO, drain_mode=st.sampled_from(Enablement.DrainMode.values))
    def disable(self, who, drain_mode):
        self.attempt(
            disable,
            who,
            account=self.account,
            product=self.product,
            drain_mode=drain_mode,
        )

    @rule(who=WHO)
    def switch_on(self, who):
        self.attempt(
            enable_for_service, who, service=self.service, product=self.product
        )

    @rule(who=WHO)
    def switch_off(self, who):
        self.attempt(
            disable_for_service, who, service=self.service, product=self.product
        )

    @rule(who=WHO)
    def activate(self, who):
        self.attempt(activate, who, version=self.version)

    @rule(who=WHO)
    def deactivate(self, who):
        self.attempt(deactivate, who, version=self.version)

    @invariant()
    def the_tables_say_what_the_trail_says(self):
        entries = AuditEvent.objects.filter(
            account_id=self.account.pk, outcome="done", action__in=STATE
        ).order_by("sequence")
        folded = {"product": False, "service": False, "version": False}
        for entry in entries:
            what, is_on = STATE[entry.action]
            if entry.action == "version.activated" and folded["service"]:
                assert folded["product"], f"{entry} was activated without entitlement"
            folded[what] = is_on

        opened = Enablement.objects.filter(account=self.account, ends_at=None)
        version = Version.objects.get(pk=self.version.pk)
        assert folded["product"] == opened.exists()
        assert folded["version"] == version.active

    @invariant()
    def no_one_without_the_permission_changed_anything(self):
        una = AuditEvent.objects.filter(
            account_id=self.account.pk,
            outcome="done",
            actor_id=self.people["una"].user_id,
        )
        assert not una.exists()

    def teardown(self):
        assert verify(self.account.pk).is_valid


@pytest.mark.parametrize(
    ("sequences", "steps"), [(6, 15), pytest.param(500, 50, marks=pytest.mark.nightly)]
)
def test_no_sequence_of_commands_breaks_an_invariant(db, sequences, steps):
    load_catalogue()

    run_state_machine_as_test(
        Commands,
        settings=hypothesis_settings(
            max_examples=sequences,
            stateful_step_count=steps,
            deadline=None,
            print_blob=True,  # how to run a failed sequence again
            suppress_health_check=list(HealthCheck),
        ),
    )
