"""Prepares the database of a portal in production: `python -m tests.deploy.prepare_database PORT`.

The settings come from the environment. It prepares the database as `manage.py run` does, and
creates an account with a service whose origin is the given port. It prints the superuser's
password, the service, its token and an edge's credential as JSON.
"""

import json
import os
import secrets
import sys
from datetime import timedelta

import django

os.environ["DJANGO_SETTINGS_MODULE"] = "portal.settings"
django.setup()

from django.utils import timezone  # noqa: E402 - Django must be set up before

from accounts.actor import Actor, Context, Interface  # noqa: E402
from accounts.commands.accounts import create_account  # noqa: E402
from accounts.commands.tokens import issue_token  # noqa: E402
from accounts.models import User  # noqa: E402
from portal.management.commands.edge import (  # noqa: E402
    FIRST_NAME,
    credential_file,
)
from portal.prepare import prepare  # noqa: E402
from products.services.commands.parts import add_part  # noqa: E402
from products.services.commands.services import create_service  # noqa: E402
from products.services.queries import get_version  # noqa: E402

EMAIL = "sam@acme.test"
DOMAIN = "echo.test"


def main() -> None:
    """Prepare the database, create an account with a service, and print its secrets."""
    prepare()
    now = timezone.now()
    password = secrets.token_urlsafe(12)
    system = Actor.system("create-account", interface=Interface.COMMAND)
    account = create_account(
        system,
        name="Acme",
        superuser_email=EMAIL,
        superuser_name="Sam",
        password=password,
        now=now,
    )
    sam = User.objects.get(email=EMAIL)
    actor = Actor.user(
        user_id=sam.pk,
        label=sam.name,
        email=sam.email,
        account_id=account.pk,
        context=Context(interface=Interface.COMMAND),
    )
    token = issue_token(
        actor,
        name="Story",
        scope="global",
        services=[],
        expires_at=now + timedelta(days=1),
        now=now,
    )
    service = create_service(actor, account=account, name="echo", now=now)
    parts = {
        "domain": (DOMAIN, {}),
        "backend": ("origin", {"address": "127.0.0.1", "port": int(sys.argv[1])}),
    }
    for kind, (name, fields) in parts.items():
        version = get_version(actor, service.pk, 1)
        add_part(actor, version=version, kind=kind, name=name, fields=fields, now=now)
    print(  # noqa: T201 - the test that started this reads it
        json.dumps(
            {
                "password": password,
                "token": token.secret,
                "service": service.pk,
                "credential": credential_file(FIRST_NAME).read_text().strip(),
            }
        )
    )


if __name__ == "__main__":
    main()
