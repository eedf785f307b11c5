"""Time zones that can be chosen."""

from datetime import UTC

import pytest

from accounts.commands.profiles import choose_time_zone
from accounts.errors import Invalid
from accounts.models import User
from accounts.time_zones import zone_names, zone_of
from tests.factories import NOW


def test_the_first_choice_counts_and_an_unknown_zone_is_utc():
    assert str(zone_of("", "Europe/Berlin")) == "Europe/Berlin"
    assert str(zone_of("Asia/Tokyo", "Europe/Berlin")) == "Asia/Tokyo"
    assert zone_of("Mars/Phobos", "Europe/Berlin") is UTC
    assert zone_of("", "") is UTC


def test_places_can_be_chosen_and_utc_comes_first():
    assert zone_names()[0] == "UTC"
    assert {"Europe/Berlin", "America/New_York"} <= set(zone_names())
    assert not {"EST5EDT", "Etc/GMT+3", "localtime"} & set(zone_names())


def test_a_zone_is_found_in_any_case_and_nothing_else_is_saved(una):
    user = User.objects.get(pk=una.user_id)

    choose_time_zone(una, user=user, time_zone=" europe/berlin", now=NOW)
    with pytest.raises(Invalid):
        choose_time_zone(una, user=user, time_zone="Berlin", now=NOW)

    user.refresh_from_db()
    assert user.time_zone == "Europe/Berlin"
