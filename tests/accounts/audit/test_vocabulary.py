"""Every event is named and described."""

import re

from accounts.audit.vocabulary import DESCRIPTIONS, FASTLY_TYPES, Event


def test_every_event_has_a_description():
    silent = [event for event in Event if not event.description.strip()]

    assert silent == []


def test_every_event_is_named_resource_dot_verb():
    misnamed = [
        event for event in Event if not re.fullmatch(r"[a-z0-9_]+\.[a-z_]+", event)
    ]

    assert misnamed == []


def test_no_two_events_share_a_name():
    assert len(Event.__members__) == len({str(event) for event in Event})


def test_an_event_is_found_by_the_name_in_its_column():
    assert Event("product.enabled") is Event.PRODUCT_ENABLED
    assert DESCRIPTIONS["product.enabled"] == "enabled a product"


def test_the_events_of_enabling_have_fastly_types():
    assert FASTLY_TYPES["product.enabled"] == "customer_feature.create"
    assert FASTLY_TYPES["product.disabled"] == "customer_feature.delete"
    assert FASTLY_TYPES["bill.changed"] == "customer.pricing"
    assert FASTLY_TYPES["service_product.enabled"] == "service.update"
    assert "deployment.refused" not in FASTLY_TYPES
