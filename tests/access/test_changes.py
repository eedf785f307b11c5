"""Every address that changes something does so for whoever may: the table's answers mean something."""

import pytest

from tests.access.asking import ask, read_table
from tests.access.routes import PEOPLE
from tests.access.test_matrix import OURS

SUPERUSER = PEOPLE.index("superuser")
# These answer a superuser well and change no row: a cookie, a session, a look, a word to come;
# and a version's settings, of which only the defaults can be set.
CHANGING_NOTHING = {
    ("api/service/<str:service_id>/version/<int:number>/settings", "PUT"),
    ("services/<str:service_id>/versions/<int:number>/<str:kind>/preview/", "POST"),
    ("activity/verify/", "POST"),
    ("favicon.ico", "DELETE"),
    ("favicon.ico", "PATCH"),
    ("favicon.ico", "POST"),
    ("favicon.ico", "PUT"),
    ("switch/", "POST"),
    ("theme/", "POST"),
}


def well_answered() -> list[tuple[str, str]]:
    return sorted(
        key
        for key, statuses in read_table().items()
        if key[1] != "GET" and statuses[SUPERUSER] < 400 and key not in CHANGING_NOTHING
    )


@pytest.mark.parametrize("pattern, method", well_answered())
def test_what_a_superuser_may_change_is_changed_and_in_the_trail(
    pattern, method, world
):
    route = next(each for each in OURS if each.pattern == pattern)

    answer = ask(route, method, "superuser", world)

    assert answer.changed
    assert answer.moved_acme
