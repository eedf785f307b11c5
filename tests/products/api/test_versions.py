"""Versions in the API: their states, validation, and refused activations."""

import pytest

from accounts.actor import TokenScope
from accounts.audit.models import AuditEvent
from products.deploy.models import Deployment
from products.services.models import Version
from tests.factories.keys import FORM, client_of
from tests.factories.services import SnippetFactory, VersionFactory
from tests.factories.trail import noted


@pytest.fixture
def base(shop):
    """Return the path of the service's versions."""
    return f"/api/service/{shop.pk}/version"


def test_the_versions_are_listed_in_order(eve, draft, shop, base):
    VersionFactory.create(service=shop, number=3)
    VersionFactory.create(service=shop, number=2)

    answer = client_of(eve).get(base)

    assert [row["number"] for row in answer.json()] == [1, 2, 3]


@pytest.mark.parametrize(("form", "extra"), [("", {}), ("comment=c", {"comment": "c"})])
def test_the_response_to_a_new_version_has_only_its_number(
    eve, draft, shop, base, form, extra
):
    answer = client_of(eve).post(base, form, FORM)

    assert answer.json() == {"service_id": shop.pk, "number": 2} | extra


def test_a_clone_has_all_parts_of_the_version(eve, draft, base):
    api = client_of(eve)

    answer = api.put(f"{base}/1/clone", "", "application/json")

    assert (answer.json()["number"], answer.json()["locked"]) == (2, False)
    assert [row["name"] for row in api.get(f"{base}/2/backend").json()] == ["origin"]


def test_a_comment_is_changed(eve, draft, base):
    answer = client_of(eve).put(f"{base}/1", "comment=new", FORM)

    assert answer.json()["comment"] == "new"
    assert Version.objects.get().comment == "new"


def test_a_version_is_locked(eve, draft, base):
    answer = client_of(eve).put(f"{base}/1/lock", "", FORM)

    assert (answer.json()["locked"], answer.json()["active"]) == (True, False)


def test_a_version_is_activated_and_deactivated(eve, draft, base):
    api = client_of(eve)

    live = api.put(f"{base}/1/activate")
    off = api.put(f"{base}/1/deactivate")

    assert [live.json()[name] for name in ("active", "locked", "deployed")] == [
        True,
        True,
        True,
    ]
    assert [off.json()[name] for name in ("active", "locked", "deployed")] == [
        False,
        True,
        False,
    ]
    assert [row.kind for row in Deployment.objects.order_by("deployed_at")] == [
        "activated",
        "deactivated",
    ]


def test_a_version_that_is_not_active_is_not_deactivated(eve, draft, base):
    answer = client_of(eve).put(f"{base}/1/deactivate")

    assert answer.status_code == 400
    assert answer.json() == {"msg": "Bad request", "detail": "Version 1 is not active."}


def test_an_activation_is_refused_with_every_reason_and_recorded(
    eve, sam, draft, shop, base
):
    SnippetFactory.create(version=draft)
    draft.parts.filter(kind="domain").delete()

    answer = client_of(eve).put(
        f"{base}/1/activate", headers={"Accept": "application/problem+json"}
    )

    body = answer.json()
    assert (answer.status_code, body["status"]) == (400, 400)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert (body["title"], body["code"]) == ("Bad request", "deployment_refused")
    assert [each["check"] for each in body["checks"]] == [1, 2, 3, 4, 5, 6, 7, 8]
    failed = [each for each in body["checks"] if each["passed"] is False]
    assert [each["check"] for each in failed] == [2, 6, 7]
    assert all(each["reason"] and each["remedy"] and each["who"] for each in failed)
    assert body["detail"] == " ".join(
        each[part] for each in failed for part in ("reason", "remedy")
    )
    assert not Version.objects.get().active
    assert [row.action for row in AuditEvent.objects.all()] == ["deployment.refused"]


def test_the_classic_form_of_a_refused_activation_has_the_same_text(eve, draft, base):
    draft.parts.filter(kind="domain").delete()
    draft.parts.filter(kind="backend").delete()
    api = client_of(eve)

    plain = api.put(f"{base}/1/activate")
    problem = api.put(
        f"{base}/1/activate", headers={"Accept": "application/problem+json"}
    )

    assert (plain.status_code, plain.json().keys()) == (400, {"msg", "detail"})
    assert plain.json()["detail"] == problem.json()["detail"]


def test_an_activation_without_the_permission_is_a_403_and_recorded(una, draft, base):
    answer = client_of(una).put(f"{base}/1/activate")

    assert answer.status_code == 403
    assert answer.json()["msg"] == "You are not authorized to perform this action"
    assert answer.json().keys() == {"msg", "detail"}
    assert not Version.objects.get().active
    assert [row.action for row in AuditEvent.objects.all()] == ["deployment.refused"]


def test_activating_the_active_version_again_succeeds_without_a_deployment(
    eve, draft, base
):
    """A client that retries after a lost answer must not see a failure."""
    api = client_of(eve)
    first = api.put(f"{base}/1/activate")

    again = api.put(f"{base}/1/activate")

    assert (again.status_code, again.json()["active"]) == (200, True)
    assert again.json()["number"] == first.json()["number"]
    assert Deployment.objects.count() == 1


def test_validation_returns_ok_for_a_version_that_can_be_activated(eve, draft, base):
    answer = client_of(eve).get(f"{base}/1/validate")

    assert answer.json() == {
        "status": "ok",
        "msg": None,
        "errors": [],
        "warnings": [],
        "messages": [],
    }


def test_validation_lists_the_reasons_with_status_200(eve, draft, base):
    draft.parts.filter(kind="domain").delete()
    draft.parts.filter(kind="backend").delete()

    answer = client_of(eve).get(f"{base}/1/validate")

    body = answer.json()
    assert (answer.status_code, body["status"]) == (200, "error")
    assert body["errors"] == [
        "Version has no associated domains.",
        "Version has no associated backends.",
    ]
    assert body["msg"] == " ".join(body["errors"])
    assert body["messages"] == []
    assert not AuditEvent.objects.exists()


@pytest.mark.parametrize(
    ("person", "scope", "reason"),
    [
        ("bo", TokenScope.GLOBAL, "Your role is billing. "),
        ("una", TokenScope.GLOBAL, "Your role is user. "),
        ("eve", TokenScope.GLOBAL_READ, "This token's scope is global:read; "),
    ],
)
def test_a_version_is_valid_also_for_those_who_may_not_activate_it(
    request, draft, base, person, scope, reason
):
    actor = request.getfixturevalue(person)

    body = client_of(actor, scope=scope).get(f"{base}/1/validate").json()

    assert (body["status"], body["msg"], body["errors"]) == ("ok", None, [])
    (message,) = body["messages"]
    assert message.startswith(reason)


def test_the_difference_between_two_versions_is_text(eve, draft, shop, base):
    api = client_of(eve)
    api.put(f"{base}/1/clone")
    api.put(f"{base}/2/backend/origin", "port=8080", FORM)

    answer = api.get(f"/api/service/{shop.pk}/diff/from/1/to/2?format=text")

    assert answer.json() == {
        "from": 1,
        "to": 2,
        "format": "text",
        "diff": f"  service: {shop.pk}\n- version: 1\n+ version: 2\n"
        "  backend origin:\n-   port: 80\n+   port: 8080\n",
    }


def test_the_difference_between_a_version_and_itself_is_not_empty(eve, draft, shop):
    answer = client_of(eve).get(f"/api/service/{shop.pk}/diff/from/1/to/1")

    assert answer.json()["diff"] == f"  service: {shop.pk}\n  version: 1\n"


def test_the_difference_in_html_is_escaped(eve, draft, shop, base):
    api = client_of(eve)
    api.put(f"{base}/1/clone")
    api.put(f"{base}/2/backend/origin", "comment=%3Cb%3E", FORM)

    answer = api.get(f"/api/service/{shop.pk}/diff/from/1/to/2?format=html")

    assert "+   comment: &lt;b&gt;" in answer.json()["diff"]
    assert "<b>" not in answer.json()["diff"]


@pytest.mark.parametrize("person", ["una", "bo"])
def test_a_comparison_without_the_permission_is_refused(person, draft, shop, request):
    api = client_of(request.getfixturevalue(person))

    answer = api.get(f"/api/service/{shop.pk}/diff/from/1/to/1")

    assert answer.status_code == 403


def test_one_version_is_staged_and_nothing_is_deployed(eve, shop, draft, base, acme):
    api = client_of(eve)

    staged = api.put(f"{base}/1/activate/staging").json()
    second = api.put(f"{base}/1/clone").json()["number"]
    api.put(f"{base}/{second}/activate/staging")

    assert staged.items() >= {"staging": True, "locked": True, "active": False}.items()
    assert staged["environments"] == [
        {"name": "staging", "active_version": 1, "service_id": shop.pk}
    ]
    details = api.get(f"/api/service/{shop.pk}/details?filter[versions.staged]=true")
    assert [each["number"] for each in details.json()["versions"]] == [second]
    assert noted(acme.pk)[-1] == "version.staged"


def test_the_staging_of_a_version_ends(eve, draft, base, acme):
    api = client_of(eve)
    api.put(f"{base}/1/activate/staging")

    ended = api.put(f"{base}/1/deactivate/staging").json()
    again = api.put(f"{base}/1/deactivate/staging")

    assert (ended["staging"], ended["environments"]) == (False, [])
    assert again.status_code == 400
    assert noted(acme.pk)[-1] == "version.unstaged"
    assert api.put(f"{base}/1/activate/production").status_code == 404
