"""The tables of host settings: complete, and what counts as a default."""

from dataclasses import fields

import pytest

from products.compatibility.backend_settings import (
    BACKEND_LABELS,
    BLOCKING_SETTINGS,
    CERTIFICATE_NAMES,
    IGNORED_SETTINGS,
    is_set,
)
from products.compatibility.version_config import BackendConfig

SUPPORTED = ["name", "address", "port", "use_ssl", "override_host"]  # R8


def test_every_setting_of_a_backend_is_supported_or_has_a_label():
    assert sorted([*SUPPORTED, *BACKEND_LABELS, "shield"]) == sorted(
        each.name for each in fields(BackendConfig)
    )


def test_a_setting_that_is_checked_is_in_one_table():
    tables = [*CERTIFICATE_NAMES, *BLOCKING_SETTINGS, *IGNORED_SETTINGS]

    assert sorted(tables) == sorted(BACKEND_LABELS)


@pytest.mark.parametrize(
    ("setting", "answer"),
    [
        ({}, False),
        ({"weight": 100}, False),
        ({"weight": 50}, True),
        ({"weight": None}, False),
        ({"healthcheck": ""}, False),
        ({"healthcheck": "ping"}, True),
        ({"ssl_check_cert": True}, False),
        ({"ssl_check_cert": False}, True),
        ({"error_threshold": 0}, False),
        ({"connect_timeout": 0}, True),
    ],
)
def test_a_setting_counts_as_set_when_it_is_not_its_default(setting, answer):
    backend = BackendConfig(name="a", address="a.example", **setting)

    assert any(is_set(backend, each) for each in setting) is answer
