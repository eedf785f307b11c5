"""A version's settings in Fastly's format."""

import pytest

from tests.factories.keys import FORM, client_of

# What go-fastly sends for the defaults, and what Python does.
GO = (
    "ServiceID=x&general.default_host=&general.default_ttl=3600"
    "&general.stale_if_error=false&general.stale_if_error_ttl=43200"
)
PYTHON = "general.stale_if_error=False&general.default_ttl=3600"


@pytest.fixture
def path(shop, draft):
    """Return the path of the draft's settings."""
    return f"/api/service/{shop.pk}/version/1/settings"


def defaults(shop):
    return {
        "general.default_ttl": 3600,
        "general.default_host": "",
        "general.stale_if_error": False,
        "general.stale_if_error_ttl": 43200,
        "general.default_pci": 0,
        "service_id": shop.pk,
        "version": 1,
    }


def test_the_settings_are_fastlys_defaults(eve, shop, path):
    assert client_of(eve).get(path).json() == defaults(shop)


@pytest.mark.parametrize("form", ["", GO, PYTHON, "general.stale_if_error=0"])
def test_the_defaults_are_accepted(eve, shop, path, form):
    answer = client_of(eve).put(path, form, FORM)

    assert (answer.status_code, answer.json()) == (200, defaults(shop))


def test_other_values_are_stored_and_named(eve, shop, path):
    form = "general.stale_if_error=1&general.default_ttl=60"

    answer = client_of(eve).put(path, form, FORM)

    changed = {"general.stale_if_error": True, "general.default_ttl": 60}
    words = "Stored, but not carried out by the edge: settings."
    assert answer.json() == defaults(shop) | changed | {"msg": words}
    assert client_of(eve).get(path).json() == defaults(shop) | changed


@pytest.mark.parametrize(
    ("form", "msg"),
    [
        (
            "general.default_pci=7",
            "Not set, because they are read only: general.default_pci.",
        ),
        ("general.default_pci=0", None),
    ],
)
def test_a_setting_that_cannot_be_set_is_named(eve, path, form, msg):
    answer = client_of(eve).put(path, form, FORM).json()

    assert (answer["general.default_pci"], answer.get("msg")) == (0, msg)


def test_a_value_of_another_type_is_refused(eve, shop, path):
    answer = client_of(eve).put(path, "general.default_ttl=soon", FORM)

    assert answer.status_code == 400
    assert client_of(eve).get(path).json() == defaults(shop)


def test_a_locked_version_s_settings_are_locked(eve, draft, path):
    draft.locked = True
    draft.save()

    assert client_of(eve).put(path, GO, FORM).status_code == 422


@pytest.mark.parametrize("person", ["una", "bo"])
def test_settings_without_the_permission_are_refused(person, path, request):
    answer = client_of(request.getfixturevalue(person)).put(path, GO, FORM)

    assert answer.status_code == 403
