"""Each fix names a control that exists, links to it, and removes its finding when it is made."""

import re

import pytest
from django.urls import reverse

from products.compatibility.backend_settings import (
    BLOCKING_SETTINGS,
    CERTIFICATE_NAMES,
)
from products.deploy.decision import decide_deployment
from tests.factories.services import set_values
from tests.products.web.conftest import as_typed, edit_page

# By setting of a backend: a value that a rule refuses, and what its fix changes in the form.
SETTINGS = {
    "shield": ("frankfurt-de", {"shield": ""}),
    "ssl_check_cert": (False, {"ssl_check_cert": "True"}),
    "ssl_ca_cert": ("a certificate", {"ssl_ca_cert": ""}),
    "ssl_client_cert": ("a certificate", {"ssl_client_cert": ""}),
    "ssl_client_key": ("a key", {"remove_ssl_client_key": "on"}),
    "client_cert": ("a certificate", {"client_cert": ""}),
    "request_condition": ("only-get", {"request_condition": ""}),
    "ssl_cert_hostname": ("other.example.com", {"ssl_cert_hostname": ""}),
    "ssl_sni_hostname": ("other.example.com", {"ssl_sni_hostname": ""}),
    "ssl_hostname": ("other.example.com", {"ssl_hostname": ""}),
}


def fields_refused(actor, version):
    decision = decide_deployment(actor, version=version)
    return [finding.field for finding in decision.findings if finding.rule != "R9"]


def test_the_table_has_every_setting_that_blocks():
    assert set(SETTINGS) == {"shield", *BLOCKING_SETTINGS, *CERTIFICATE_NAMES}


@pytest.mark.parametrize("field", SETTINGS)
def test_the_fix_of_a_setting_is_made_where_the_link_leads(
    browser, eve, switched_on, draft, field
):
    refused, fixed = SETTINGS[field]
    set_values(draft.parts.filter(kind="backend"), **{field: refused})
    before = fields_refused(eve, draft)
    client = browser(eve)

    why = client.get(reverse("why", args=[draft.service_id, 1])).content.decode()
    # The condition of a backend is refused, and missing too.
    (link,) = set(re.findall(rf'href="(/services/[^"]+)#id_{field}"', why))
    page = client.get(link.replace("&amp;", "&"))
    saved = client.post(edit_page(draft), as_typed(client, edit_page(draft), **fixed))

    assert before == [field]
    assert f'id="id_{field}"' in page.content.decode()
    assert saved.status_code == 303
    assert fields_refused(eve, draft) == []
