"""A process that enables and disables WebSockets for one account, as ordered.

Each line on standard input is an order: `enable`, `disable`, or `toggle TIMES`. Each gets a line of
JSON with the result. `fork` starts a process that carries out the orders from then on, and prints
its id. When it is killed, `killed` is printed, and the next order must be `fork` again.
"""

import json
import os
import sys
from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta

from django.db import connections

from accounts.actor import Actor, Context, Interface
from accounts.errors import Conflict
from accounts.models import Account, User
from products.catalogue.models import Product
from products.catalogue.queries import direct_price, prices_beside
from products.enablement.agreements import direct_terms
from products.enablement.commands import Agreement, disable, enable
from tests.factories import NOW

LATER = NOW + timedelta(hours=1)


class Toggler:
    """A superuser of one account; the commands refuse the slower of two."""

    def __init__(self, account: Account, user: User) -> None:
        """Act on the account as the user."""
        self.account = account
        self.product = Product.objects.get(pk="websockets")
        self.actor = Actor.user(
            user_id=user.pk,
            label=user.name,
            email=user.email,
            account_id=account.pk,
            context=Context(interface=Interface.WEB),
        )

    def carry_out(self, order: str) -> Mapping[str, object]:
        """Carry out one order."""
        verb, _, times = order.strip().partition(" ")
        if verb == "toggle":
            return self.toggle(int(times))
        refusal = self.enable(LATER) if verb == "enable" else self.disable(LATER)
        return {"refusal": refusal}

    def toggle(self, times: int) -> Mapping[str, object]:
        """Change the product that many times, in whichever direction is possible; count the results."""
        done: Counter[str] = Counter()
        while done["enabled"] + done["disabled"] < times:
            if not self.enable(LATER):
                done["enabled"] += 1
            elif not self.disable(LATER):
                done["disabled"] += 1
            else:
                done["refused"] += 1
        return done

    def enable(self, now: datetime) -> str:
        """Enable the product; return the refusal, "" for none."""
        price = direct_price(self.product.pk, now)
        text = direct_terms(
            self.account, self.product, prices_beside(price, now), now=now
        ).text
        try:
            enable(
                self.actor,
                account=self.account,
                product=self.product,
                agreement=Agreement.to(text),
                now=now,
            )
        except Conflict as refusal:
            return refusal.message
        return ""

    def disable(self, now: datetime) -> str:
        """Disable the product; return the refusal, "" for none."""
        try:
            disable(
                self.actor,
                account=self.account,
                product=self.product,
                drain_mode="cut",
                now=now,
            )
        except Conflict as refusal:
            return refusal.message
        return ""


def main(account_id: str, user_id: str) -> None:
    """Carry out one order per line until the input ends; an error ends the process."""
    account = Account.objects.get(pk=account_id)
    toggler = Toggler(account, User.objects.get(pk=user_id))
    print("ready", flush=True)  # noqa: T201 - the test that started this reads it
    is_parent = False
    while order := sys.stdin.readline():
        if order == "fork\n":
            is_parent = start_child()
        elif not is_parent:  # else the killed process did not read it
            print(json.dumps(toggler.carry_out(order)), flush=True)  # noqa: T201


def start_child() -> bool:
    """Fork; return False in the child, and True in the parent when the child was killed."""
    connections.close_all()
    child = os.fork()
    if not child:
        print(os.getpid(), flush=True)  # noqa: T201
        return False
    os.waitpid(child, 0)
    print("killed", flush=True)  # noqa: T201
    return True
