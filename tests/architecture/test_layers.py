"""Accounts names nothing of products, not even in a string; import contracts see only imports."""

import re

import pytest
from django.apps import apps

from tests.architecture.source import modules

LABELS = "|".join(
    app.label for app in apps.get_app_configs() if app.name.startswith("products.")
)
# A model or permission with its app's label, access to a service, and look-ups by a name.
NAMES_PRODUCTS = re.compile(
    rf"""["']({LABELS})\.\w"""
    r"""|["']access_(full|read|purge|\W)"""
    r"""|(app_label|codename|codename__startswith)=f?["']"""
    r"""|get_(by_natural_key|model|app_config)\(f?["']"""
)


def test_no_string_in_accounts_names_an_app_a_model_or_a_permission_of_products():
    found = [
        f"{module.path}: {match[0]}"
        for module in modules("accounts")
        for match in NAMES_PRODUCTS.finditer(module.text)
    ]

    assert found == []


@pytest.mark.parametrize(
    "line",
    [
        'assign_perm(f"services.access_{level}", user, service)',
        'filter(permission__content_type__app_label="services")',
        'filter(permission__codename__startswith="access_")',
        'ContentType.objects.get_by_natural_key("services", "service")',
        'codename.removeprefix("access_")',
        'level = "access_full"',
    ],
)
def test_a_string_that_names_something_of_products_is_found(line):
    assert NAMES_PRODUCTS.search(line)
