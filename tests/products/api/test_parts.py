"""Parts in Fastly's format: two encodings, defaults and errors."""

import pytest
from django.urls import resolve

from accounts.audit.models import AuditEvent
from products.api.parts import PartDetail
from products.services.kinds import KINDS
from products.services.kinds.kind import Ids
from products.services.validation import name_problem
from tests.factories.keys import FORM, client_of
from tests.factories.services import PartFactory, live_version, parts, set_values
from tests.factories.trail import last_entry


@pytest.fixture
def api(eve, draft, time_machine):
    """Return Eve's client, at a fixed time."""
    time_machine.move_to("2026-11-22T12:00:00Z", tick=False)
    return client_of(eve)


@pytest.fixture
def base(shop):
    """Return the path of the draft."""
    return f"/api/service/{shop.pk}/version/1"


def test_a_taken_name_is_409(api, base):
    answer = api.post(f"{base}/backend", "name=origin&address=o.example.com", FORM)

    assert answer.status_code == 409
    assert answer.json() == {
        "msg": "Duplicate record",
        "detail": "Duplicate backend: 'origin'",
    }


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_an_unknown_name_is_404_with_fastlys_text(api, base, shop, method):
    answer = api.generic(method, f"{base}/backend/a%2Fb", "", FORM)

    assert answer.status_code == 404
    assert answer.json() == {
        "msg": "Record not found",
        "detail": "Couldn't find Backend '{ deleted => 0000-00-00 00:00:00, name => a/b, "
        f"service => {shop.pk}, version => 1 }}'",
    }


@pytest.mark.parametrize("number", ["2", "99999999999999999999"])
def test_an_unknown_version_is_404(api, shop, number):
    answer = api.get(f"/api/service/{shop.pk}/version/{number}/backend")

    assert answer.status_code == 404
    assert answer.json()["detail"] == (
        f"Couldn't find Version '{{ deleted => 0000-00-00 00:00:00, number => {number}, "
        f"service => {shop.pk} }}'"
    )


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "backend"),
        ("PUT", "backend/origin"),
        ("DELETE", "backend/origin"),
        ("POST", "domain"),
    ],
)
def test_an_active_version_is_locked(eve, shop, method, path):
    live_version(shop, "shop.example.com")
    form = "name=a.example.com&address=a.example.com&port=99"

    answer = client_of(eve).generic(
        method, f"/api/service/{shop.pk}/version/1/{path}", form, FORM
    )

    assert answer.status_code == 422
    assert answer.json() == {
        "msg": "Version locked",
        "detail": f"Version '1' for service '{shop.pk}' is locked",
    }
    assert [row.name for row in parts("backend")] == ["origin"]


def test_removing_a_part_returns_ok(api, base):
    answer = api.delete(f"{base}/domain/shop.example.com")

    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert not parts("domain").exists()


@pytest.mark.parametrize("person", ["una", "bo"])
@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "backend"), ("PUT", "backend/origin"), ("DELETE", "backend/origin")],
)
def test_a_change_without_the_permission_is_refused(
    person, method, path, draft, base, request
):
    api = client_of(request.getfixturevalue(person))

    answer = api.generic(method, f"{base}/{path}", "name=o&address=o.example.com", FORM)

    assert answer.status_code == 403
    assert [row.name for row in parts("backend")] == ["origin"]
    assert not AuditEvent.objects.exists()


def test_a_user_without_the_permission_to_configure_can_read(una, draft, base):
    answer = client_of(una).get(f"{base}/backend/origin")

    assert (answer.status_code, answer.json()["name"]) == (200, "origin")


def test_a_domain_is_stored_in_lower_case_and_found_in_any_case(api, base, shop):
    made = api.post(f"{base}/domain", "name=WWW.Example.com&comment=c", FORM)
    found = api.get(f"{base}/domain/www.EXAMPLE.com")

    assert (
        made.json()
        == found.json()
        == {
            "name": "www.example.com",
            "comment": "c",
            "service_id": shop.pk,
            "version": 1,
            "created_at": "2026-11-22T12:00:00Z",
            "updated_at": "2026-11-22T12:00:00Z",
            "deleted_at": None,
        }
    )


def test_all_values_of_a_snippet_are_text(api, base, shop):
    form = "name=s&type=recv&content=return(upgrade)%3B&priority=50&dynamic=0"

    answer = api.post(f"{base}/snippet", form, FORM).json()

    assert len(answer.pop("id")) == 22
    assert answer.pop("msg").endswith("by the edge: VCL snippet s.")
    assert answer == {
        "name": "s",
        "type": "recv",
        "content": "return(upgrade);",
        "priority": "50",
        "dynamic": "0",
        "service_id": shop.pk,
        "version": "1",
        "created_at": "2026-11-22T12:00:00Z",
        "updated_at": "2026-11-22T12:00:00Z",
        "deleted_at": None,
    }


def test_all_values_of_a_header_are_text_or_null(api, base, shop):
    form = "name=h&type=request&action=set&dst=http.X-Tenant&src=acme&ignore_if_set=1"

    answer = api.post(f"{base}/header", form, FORM).json()

    assert answer == {
        "name": "h",
        "action": "set",
        "type": "request",
        "dst": "http.X-Tenant",
        "src": "acme",
        "regex": None,
        "substitution": None,
        "ignore_if_set": "1",
        "priority": "100",
        "request_condition": None,
        "cache_condition": None,
        "response_condition": None,
        "service_id": shop.pk,
        "version": "1",
        "created_at": "2026-11-22T12:00:00Z",
        "updated_at": "2026-11-22T12:00:00Z",
        "deleted_at": None,
    }


def test_a_vcl_file_has_a_real_boolean_and_a_number(api, base):
    answer = api.post(
        f"{base}/vcl", "name=main&content=sub+x+%7B%7D&main=1", FORM
    ).json()

    assert (answer["main"], answer["version"], answer["content"]) == (
        True,
        1,
        "sub x {}",
    )


def test_a_name_that_is_not_text_is_refused(api, base):
    answer = api.post(
        f"{base}/domain", {"name": ["a.example.com"]}, content_type="application/json"
    )

    assert answer.status_code == 400
    assert answer.json() == {"msg": "Bad request", "detail": "name: Enter text."}


def test_a_kind_for_vcl_services_is_refused_on_a_compute_service(eve, draft):
    draft.service.type = "wasm"
    draft.service.save()
    base = f"/api/service/{draft.service_id}/version/{draft.number}"

    refused = client_of(eve).post(f"{base}/gzip", "name=a", FORM)
    added = client_of(eve).post(f"{base}/backend", "name=a&address=example.com", FORM)

    assert (refused.status_code, added.status_code) == (400, 200)
    assert refused.json()["detail"].endswith("This service has type wasm.")
    assert not draft.parts.filter(kind="gzip").exists()


CODEC = "'compression_codec' and 'gzip_level' cannot be set simultaneously"
KEYS = "'iam_role' can't be used when 'access_key' or 'secret_key' are provided"
S3 = "name=a&bucket_name=b"
ARN = "arn:aws:iam::123456789012:role/logs"


@pytest.mark.parametrize(
    ("kind", "body", "error"),
    [
        (
            "logging/https",
            "name=a&url=https://log.example.com&compression_codec=zstd&gzip_level=3",
            {"msg": CODEC},
        ),
        (
            "logging/s3",
            f"{S3}&access_key=a&secret_key=s&iam_role={ARN}",
            {"msg": KEYS},
        ),
        (
            "logging/s3",
            f"{S3}&iam_role=badarn",
            {
                "msg": "Bad request",
                "detail": "invalid IAM Role ARN badarn: ARNs must have six colon-separated components",
            },
        ),
        (
            "logging/newrelic",
            "name=a&token=t&region=abc",
            {"msg": "Bad request", "detail": "unrecognized region abc"},
        ),
        (
            "acl",
            "name=1",
            {
                "msg": "Bad request",
                "detail": "Name must start with alphabetical and contain only alphanumeric, underscore, and whitespace",
            },
        ),
    ],
)
def test_a_rule_that_fastly_enforces_has_its_text(api, base, kind, body, error):
    answer = api.post(f"{base}/{kind}", body, FORM)

    assert (answer.status_code, answer.json()) == (400, error)


@pytest.mark.parametrize("region", ["EU", "eu", "eU"])
def test_a_region_is_matched_without_regard_to_case_and_answered_as_sent(
    api, base, region
):
    answer = api.post(
        f"{base}/logging/newrelic", f"name=a&token=t&region={region}", FORM
    )

    assert (answer.status_code, answer.json()["region"]) == (200, region)


def test_a_null_in_a_list_is_refused_not_left_out(api, base):
    answer = api.post(
        f"{base}/apex-redirects",
        {"domains": ["example.com", None], "status_code": 301},
        content_type="application/json",
    )

    assert (answer.status_code, answer.json()) == (
        400,
        {"msg": "Bad request", "detail": "domains: Enter a list of texts."},
    )


@pytest.mark.parametrize(
    "kind",
    [each for each in KINDS.values() if each.has_name and each.ids is Ids.KEPT],
    ids=lambda kind: kind.slug,
)
@pytest.mark.parametrize("rest", ["main", "content", "check", "info", "backend/b"])
def test_no_part_has_a_name_that_its_path_cannot_have(kind, rest):
    name = f"a/{rest}"
    path = f"/api/service/S/version/1/{kind.segment}/{name}"

    found = resolve(path).func.view_class

    assert issubclass(found, PartDetail) or name_problem(kind, name)


def test_a_part_that_names_a_missing_one_is_stored_and_cannot_be_activated(api, base):
    sentence = (
        "Response condition of HTTPS log endpoint lines names “late”, but this version has no "
        "condition of that name."
    )
    url = "url=https://log.example.com"

    made = api.post(
        f"{base}/logging/https", f"name=lines&{url}&response_condition=late", FORM
    )
    found = api.get(f"{base}/validate").json()
    refused = api.put(f"{base}/activate")
    api.post(f"{base}/condition", "name=late&type=RESPONSE&statement=true", FORM)

    assert made.status_code == 200
    assert made.json()["response_condition"] == "late"
    assert sentence in made.json()["msg"]
    assert (found["status"], found["msg"]) == ("error", sentence)
    assert refused.status_code == 400
    assert refused.json()["detail"] == (
        f"{sentence} Add the condition, or change Response condition of HTTPS log endpoint lines."
    )
    assert api.get(f"{base}/validate").json()["status"] == "ok"


@pytest.mark.parametrize("body", ["response_condition=", "format=x"])
def test_a_write_that_names_no_part_warns_of_no_missing_one(api, base, draft, body):
    api.post(f"{base}/logging/https", "name=lines&url=https://log.example.com", FORM)
    set_values(parts("logging/https", version=draft), response_condition="late")

    changed = api.put(f"{base}/logging/https/lines", body, FORM)

    assert changed.status_code == 200
    assert "late" not in changed.json().get("msg", "")


def test_parts_follow_a_part_that_is_renamed(api, base, draft, acme):
    PartFactory.create(
        version=draft, kind="condition", name="a", type="CACHE", statement="true"
    )
    PartFactory.create(version=draft, kind="gzip", name="g", cache_condition="a")
    PartFactory.create(version=draft, kind="gzip", name="other", cache_condition="b")

    api.put(f"{base}/condition/a", "name=c", FORM)

    conditions = [each["cache_condition"] for each in api.get(f"{base}/gzip").json()]
    assert conditions == ["c", "b"]
    assert last_entry(acme.pk)["action"] == "gzip.updated"
