"""Every route × every kind of person × every method, against the table `matrix.txt`."""

import pytest

from tests.access.asking import Answer, ask, ask_each, read_table, written
from tests.access.routes import METHODS, OF_AN_ACCOUNT, PEOPLE, Route, all_routes
from tests.factories.world import World

OWN_ROUTES = tuple(route for route in all_routes() if not route.is_third_party)
TRAIL = frozenset(
    {"audit_auditevent", "audit_chainhead", "audit_personaldata", "audit_searchterm"}
)
REFUSED, METHOD_NOT_ALLOWED = 400, 405
OUTSIDERS = ("anonymous", "non_member", "staff")
# A refused deployment is recorded, although nothing else may change.
DEPLOYING = ("/activate", "/activate/")
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def pattern(route: Route) -> str:
    return route.pattern or "/"


def test_every_route_has_its_rows():
    table = read_table()

    asked = {(route.pattern, method) for route in OWN_ROUTES for method in METHODS}
    assert {
        "without a row": sorted(asked - set(table)),
        "without a route": sorted(set(table) - asked),
    } == {"without a row": [], "without a route": []}


@pytest.mark.parametrize("route", OWN_ROUTES, ids=pattern)
def test_each_person_gets_the_status_in_the_table(route, world):
    answers = ask_everyone(route, world)

    statuses = {
        method: tuple(row[person].status for person in PEOPLE)
        for method, row in answers.items()
    }
    table = read_table()
    expected = {method: table.get((route.pattern, method), ()) for method in METHODS}
    assert written({route.pattern: statuses}) == written({route.pattern: expected})

    everything = [
        (method, person, answer)
        for method, row in answers.items()
        for person, answer in row.items()
    ]
    assert_reading_and_refusals_change_nothing(route, everything)
    assert_changes_of_a_superuser_are_recorded(route, answers)
    assert_non_members_read_and_change_nothing(everything)
    assert_headers_are_strict(everything)
    assert [each[:2] for each in everything if each[2].hides_reasons] == []
    assert_everyone_sees_a_page(route, everything)


def ask_everyone(route: Route, world: World) -> dict[str, dict[str, Answer]]:
    """Ask with each method as each person.

    A method other than GET that a route does not have is refused before anyone's role is read. So the
    superuser, who may do the most, asks with each of these for all members, outsiders with the first.
    """
    answers = {"GET": ask_each(route, "GET", PEOPLE, world)}
    outsiders: dict[str, Answer] = {}
    for method in METHODS[1:]:
        superuser = ask(route, method, "superuser", world)
        if superuser.status == METHOD_NOT_ALLOWED:
            outsiders = outsiders or ask_each(route, method, OUTSIDERS, world)
            answers[method] = dict.fromkeys(PEOPLE, superuser) | outsiders
        else:
            others = [person for person in PEOPLE if person != "superuser"]
            answers[method] = ask_each(route, method, others, world)
            answers[method]["superuser"] = superuser
    return answers


Asked = tuple[str, str, Answer]


def assert_reading_and_refusals_change_nothing(
    route: Route, everything: list[Asked]
) -> None:
    allowed = TRAIL if route.pattern.endswith(DEPLOYING) else frozenset()
    changed = {
        (method, person, tuple(answer.changed - allowed))
        for method, person, answer in everything
        if (method == "GET" or answer.status >= REFUSED) and answer.changed - allowed
    }
    assert changed == set()


def assert_changes_of_a_superuser_are_recorded(
    route: Route, answers: dict[str, dict[str, Answer]]
) -> None:
    unrecorded = {
        (route.pattern, method)
        for method, row in answers.items()
        if method != "GET"
        and row["superuser"].status < REFUSED
        and not (row["superuser"].changed and row["superuser"].moved_acme)
    }
    assert unrecorded == {key for key in CHANGING_NOTHING if key[0] == route.pattern}


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


def assert_non_members_read_and_change_nothing(everything: list[Asked]) -> None:
    non_member = [
        (method, answer)
        for method, person, answer in everything
        if person == "non_member"
    ]
    assert {method for method, answer in non_member if answer.moved_acme} == set()
    assert {
        (method, *answer.leaked) for method, answer in non_member if answer.leaked
    } == set()


def assert_headers_are_strict(everything: list[Asked]) -> None:
    loose = {
        (method, person)
        for method, person, answer in everything
        if "default-src 'none'" not in answer.headers.get("Content-Security-Policy", "")
        or not HEADERS.items() <= dict(answer.headers).items()
    }
    assert loose == set()


# What pages request by themselves, and files.
FILES = (".well-known/security.txt", "api/openapi.json", "csp-reports")  # for programs
PARTS = ("live/", "findings/", "preview/", "export/", "usage/csv/", "<str:form>/")


def assert_everyone_sees_a_page(route: Route, everything: list[Asked]) -> None:
    is_no_page = route.pattern.endswith(PARTS + FILES)
    bare = {
        (method, person, answer.status)
        for method, person, answer in everything
        if answer.is_bare and not (is_no_page and answer.status < REFUSED)
    }
    assert bare == set()


def test_a_non_member_always_gets_404():
    visible = {
        (route, method, statuses[PEOPLE.index("non_member")])
        for (route, method), statuses in read_table().items()
        if OF_AN_ACCOUNT & Route(route, None).parameters
        and statuses[PEOPLE.index("non_member")] not in {404, 405}
    }

    assert visible == set()


def test_a_form_that_is_accepted_redirects():
    """So that reloading the next page sends nothing again; staff have no account here."""
    shown = {
        (route.pattern, person)
        for route in OWN_ROUTES
        if not route.is_api and not route.pattern.endswith(PARTS)
        for person, status in zip(
            PEOPLE, read_table()[route.pattern, "POST"], strict=True
        )
        if status == 200 and person != "staff"
    }

    assert shown == set()


def test_the_api_requires_a_token():
    allowed_in = {
        (route.pattern, method, person)
        for route in OWN_ROUTES
        if route.is_api and route.pattern not in OPEN_TO_ALL
        for method in METHODS
        for person in ("anonymous", "staff")
        if read_table()[route.pattern, method][PEOPLE.index(person)] != 401
    }

    assert allowed_in == set()


# The OpenID configuration, and two routes that require a password instead of a token.
OPEN_TO_ALL = {
    "api/realms/fastly/.well-known/openid-configuration",
    "api/sudo",
    "api/tokens",
}


def test_pages_redirect_to_sign_in():
    allowed_in = {
        (route.pattern, method)
        for route in OWN_ROUTES
        if not route.is_api and route.pattern not in WITHOUT_SIGNING_IN
        for method in METHODS
        if read_table()[route.pattern, method][0] not in {302, 303, 405}
    }

    assert allowed_in == set()


WITHOUT_SIGNING_IN = {
    *FILES,
    "favicon.ico",
    "join/<str:key>/",
    "help/",
    "help/<slug:page>/",
    "api/openapi.json",
    "api/docs",
}
