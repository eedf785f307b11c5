"""Prepares the database of a portal for crash tests: `python -m tests.crash.prepare_database`.

The settings come from the environment. It loads the demo, enables WebSockets for Acme, switches it
on for the service `echo` and issues edge credentials, which it prints as JSON by name.
"""

import json
import os

import django

os.environ["DJANGO_SETTINGS_MODULE"] = "portal.settings"
django.setup()

from django.utils import timezone  # noqa: E402 - Django must be set up before

from accounts.actor import Actor, Context, Interface  # noqa: E402
from accounts.models import Membership  # noqa: E402
from portal.prepare import prepare  # noqa: E402
from products.catalogue.models import Product  # noqa: E402
from products.catalogue.queries import direct_price, prices_beside  # noqa: E402
from products.enablement.agreements import direct_terms  # noqa: E402
from products.enablement.commands import Agreement, enable  # noqa: E402
from products.enablement.commands.service import enable_for_service  # noqa: E402
from products.metering.commands import issue_credential  # noqa: E402
from products.services.models import Service  # noqa: E402

EDGES = 60


def main() -> None:
    """Prepare the database and print the credentials."""
    prepare()
    now = timezone.now()
    sam = Membership.objects.get(user__email="sam@acme.example")
    actor = Actor.user(
        user_id=sam.user.pk,
        label=sam.user.name,
        email=sam.user.email,
        account_id=sam.account.pk,
        context=Context(interface=Interface.WEB),
    )
    websockets = Product.objects.get(pk="websockets")
    price = direct_price(websockets.pk, now)
    text = direct_terms(
        sam.account, websockets, prices_beside(price, now), now=now
    ).text
    enable(
        actor,
        account=sam.account,
        product=websockets,
        agreement=Agreement.to(text),
        now=now,
    )
    echo = Service.objects.get(account=sam.account, name="echo")
    enable_for_service(actor, service=echo, product=websockets, now=now)
    system = Actor.system("edge-credential", interface=Interface.COMMAND)
    names = [f"crash-{number}" for number in range(EDGES)]
    secrets = {
        name: issue_credential(system, name=name, now=timezone.now()).secret
        for name in names
    }
    print(json.dumps(secrets))  # noqa: T201 - the test that started this reads it


if __name__ == "__main__":
    main()
