"""Every address × every kind of person × every method, against one readable table, `matrix.txt`."""

import pytest

from tests.access.asking import Answer, ask, read_table, written
from tests.access.routes import METHODS, OF_AN_ACCOUNT, PEOPLE, Route, all_routes

OURS = tuple(route for route in all_routes() if not route.is_third_party)
TRAIL = frozenset({"audit_auditevent", "audit_chainhead", "audit_personaldata"})
REFUSED = 400
# A refused deployment is recorded: the one thing written for somebody who may not.
DEPLOYING = ("/activate", "/activate/")
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def pattern(route: Route) -> str:
    return route.pattern or "/"


def test_every_address_has_its_rows():
    table = read_table()

    asked = {(route.pattern, method) for route in OURS for method in METHODS}
    assert {
        "without a row": sorted(asked - set(table)),
        "without an address": sorted(set(table) - asked),
    } == {"without a row": [], "without an address": []}


@pytest.mark.parametrize("route", OURS, ids=pattern)
def test_everybody_gets_the_answer_in_the_table(route, world):
    answers = {
        method: [ask(route, method, person, world) for person in PEOPLE]
        for method in METHODS
    }

    statuses = {
        method: tuple(answer.status for answer in row)
        for method, row in answers.items()
    }
    table = read_table()
    expected = {method: table.get((route.pattern, method), ()) for method in METHODS}
    assert written({route.pattern: statuses}) == written({route.pattern: expected})

    everything = [
        (method, person, answer)
        for method, row in answers.items()
        for person, answer in zip(PEOPLE, row, strict=True)
    ]
    assert_nothing_changed_by_reading_or_in_vain(route, everything)
    assert_two_tenants_are_apart(everything)
    assert_headers_are_strict(everything)


Asked = tuple[str, str, Answer]


def assert_nothing_changed_by_reading_or_in_vain(
    route: Route, everything: list[Asked]
) -> None:
    allowed = TRAIL if route.pattern.endswith(DEPLOYING) else frozenset()
    changed = {
        (method, person, tuple(answer.changed - allowed))
        for method, person, answer in everything
        if (method == "GET" or answer.status >= REFUSED) and answer.changed - allowed
    }
    assert changed == set()


def assert_two_tenants_are_apart(everything: list[Asked]) -> None:
    stranger = [
        (method, answer)
        for method, person, answer in everything
        if person == "stranger"
    ]
    assert {method for method, answer in stranger if answer.moved_acme} == set()
    assert {
        (method, *answer.told) for method, answer in stranger if answer.told
    } == set()


def assert_headers_are_strict(everything: list[Asked]) -> None:
    loose = {
        (method, person)
        for method, person, answer in everything
        if "default-src 'none'" not in answer.headers.get("Content-Security-Policy", "")
        or not HEADERS.items() <= dict(answer.headers).items()
    }
    assert loose == set()


def test_a_strangers_answer_about_an_account_is_always_that_there_is_nothing():
    told = {
        (route, method, statuses[PEOPLE.index("stranger")])
        for (route, method), statuses in read_table().items()
        if OF_AN_ACCOUNT & Route(route, None).parameters
        and statuses[PEOPLE.index("stranger")] not in {404, 405}
    }

    assert told == set()


def test_nobody_but_a_program_with_a_key_is_known_to_the_api():
    let_in = {
        (route.pattern, method, person)
        for route in OURS
        if route.is_api and route.pattern not in OPEN_TO_ALL
        for method in METHODS
        for person in ("anonymous", "staff")
        if read_table()[route.pattern, method][PEOPLE.index(person)] != 401
    }

    assert let_in == set()


# The API's own description, and the two that ask for a password instead of a key.
OPEN_TO_ALL = {
    "api/realms/fastly/.well-known/openid-configuration",
    "api/sudo",
    "api/tokens",
}


def test_a_page_sends_who_is_not_signed_in_to_sign_in():
    let_in = {
        (route.pattern, method)
        for route in OURS
        if not route.is_api and route.pattern not in WITHOUT_SIGNING_IN
        for method in METHODS
        if read_table()[route.pattern, method][0] not in {302, 405}
    }

    assert let_in == set()


WITHOUT_SIGNING_IN = {"favicon.ico", "join/<str:key>/"}
