"""`/.well-known/security.txt` has what RFC 9116 requires."""

from datetime import datetime, timedelta

import pytest
from django.utils import timezone


@pytest.mark.django_db
def test_security_txt_names_the_contact_and_expires_within_a_year(client, settings):
    settings.SECURITY_CONTACT = "mailto:security@portal.example"
    settings.PORTAL_URL = "https://portal.example"

    response = client.get("/.well-known/security.txt")

    fields = dict(
        line.split(": ", 1) for line in response.content.decode().splitlines()
    )
    left = datetime.fromisoformat(fields.pop("Expires")) - timezone.now()
    assert timedelta(days=170) < left < timedelta(days=365)
    assert response["Content-Type"] == "text/plain; charset=utf-8"
    assert fields == {
        "Contact": "mailto:security@portal.example",
        "Canonical": "https://portal.example/.well-known/security.txt",
        "Preferred-Languages": "en",
    }
