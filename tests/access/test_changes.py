"""Every route that changes something does so for a superuser, and records it."""

import pytest

from tests.access.asking import ask, read_table
from tests.access.routes import PEOPLE
from tests.access.test_matrix import OWN_ROUTES

SUPERUSER = PEOPLE.index("superuser")
# These succeed for a superuser and change no row: cookies, sessions, previews, and switching HTTP/3
# off where it is off, checking a claim that is verified, lifting what no budget blocks. What a person
# has read is not recorded.
CHANGING_NOTHING = {
    ("api/service/<str:service_id>/version/<int:number>/http3", "DELETE"),
    (
        "services/<str:service_id>/versions/<int:number>/<part_kind:kind>/preview/",
        "POST",
    ),
    ("services/<str:service_id>/versions/<int:number>/parts/preview/", "POST"),
    ("api/v1/domain-claims/<str:claim_id>/verify", "POST"),
    ("domains/<opaque:claim_id>/", "POST"),
    ("api/enabled-products/v1/<str:slug>", "PUT"),
    ("api/enabled-products/<str:slug>", "PUT"),
    ("api/v1/entitlements/<str:slug>/preview", "POST"),
    ("api/v1/entitlements/<str:slug>/disable/preview", "POST"),
    ("api/v1/entitlements/<str:slug>/trial/preview", "POST"),
    ("activity/verify/", "POST"),
    ("billing/budget/lift/", "POST"),
    ("notices/read/", "POST"),
    ("csp-reports", "POST"),
    ("favicon.ico", "DELETE"),
    ("favicon.ico", "PATCH"),
    ("favicon.ico", "POST"),
    ("favicon.ico", "PUT"),
    ("switch/", "POST"),
    ("theme/", "POST"),
}


def successful() -> list[tuple[str, str]]:
    return sorted(
        key
        for key, statuses in read_table().items()
        if key[1] != "GET" and statuses[SUPERUSER] < 400 and key not in CHANGING_NOTHING
    )


@pytest.mark.parametrize("pattern, method", successful())
def test_a_change_by_a_superuser_is_made_and_recorded(pattern, method, world):
    route = next(each for each in OWN_ROUTES if each.pattern == pattern)

    answer = ask(route, method, "superuser", world)

    assert answer.changed
    assert answer.moved_acme
