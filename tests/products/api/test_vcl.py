"""VCL: the main file, plain content, generated VCL, and dynamic snippets."""

import pytest

from tests.factories.keys import FORM, client_of
from tests.factories.services import PartFactory, VersionFactory
from tests.factories.trail import noted

MAIN = "sub vcl_recv {\n  #FASTLY recv\n}\n"


@pytest.fixture
def api(eve, draft):
    return client_of(eve)


@pytest.fixture
def base(shop):
    return f"/api/service/{shop.pk}/version/1"


def file(draft, name, **fields):
    return PartFactory.create(
        version=draft, kind="vcl", name=name, **{"content": MAIN, **fields}
    )


def test_one_file_is_the_main_one(api, base, draft, acme):
    file(draft, "a", main=True)
    file(draft, "b")

    answer = api.put(f"{base}/vcl/b/main", "", FORM)
    api.post(f"{base}/vcl", "name=c&main=true&content=x", FORM)

    assert answer.json()["main"] is True
    mains = {each["name"]: each["main"] for each in api.get(f"{base}/vcl").json()}
    assert mains == {"a": False, "b": False, "c": True}
    assert noted(acme.pk).count("vcl.updated") == 3


def test_names_can_have_slashes_but_not_end_like_another_path(api, base, draft):
    body = "name=a%2F{}&content=x"
    refused = api.post(f"{base}/vcl", body.format("main"), FORM)
    added = api.post(f"{base}/vcl", body.format("main.vcl"), FORM)
    main = api.put(f"{base}/vcl/a%2Fmain.vcl/main", "", FORM)

    assert refused.status_code == 400
    assert "Use a name that does not end in “/main”." in refused.json()["detail"]
    assert (added.status_code, main.json()["main"]) == (200, True)
    assert api.get(f"{base}/vcl/a/main.vcl/download").content == b"x"


def test_content_is_plain_text_or_html(api, base, draft):
    file(draft, "a", content="<b>")

    plain = api.get(f"{base}/vcl/a/download")
    html = api.get(f"{base}/vcl/a/content")

    assert plain.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert plain.content == b"<b>"
    assert html.json() == {"content": "<pre>&lt;b&gt;</pre>"}
    assert api.get(f"{base}/vcl/a/main").status_code == 405
    assert api.put(f"{base}/vcl/a/content").status_code == 405


def test_generated_vcl_has_snippets_in_their_subroutines_by_priority(api, base, draft):
    file(draft, "a", main=True)
    for name, kind, priority in (
        ("late", "recv", 200),
        ("soon", "recv", 10),
        ("table", "init", 100),
        ("fetch", "fetch", 100),
    ):
        PartFactory.create(
            version=draft,
            kind="snippet",
            name=name,
            type=kind,
            priority=priority,
            content=f"# {name}!",
        )

    vcl = api.get(f"{base}/generated_vcl").json()["content"]

    order = [
        vcl.index(text) for text in ("# table!", "#FASTLY recv", "# soon!", "# late!")
    ]
    assert order == sorted(order)
    assert "# fetch!" not in vcl
    html = api.get(f"{base}/generated_vcl/content").json()["content"]
    assert html.startswith("<pre>")


def test_without_a_main_file_the_boilerplate_is_used(api, base, draft):
    boilerplate = api.get(f"{base}/boilerplate").content.decode()

    assert "sub vcl_deliver {" in boilerplate
    assert api.get(f"{base}/generated_vcl").json()["content"] == boilerplate


def test_the_difference_of_generated_vcl(api, shop, draft, base):
    second = VersionFactory.create(service=shop, number=2)
    file(draft, "a", main=True, content="# one")
    file(second, "a", main=True, content="# two")

    answer = api.get(f"/api/service/{shop.pk}/vcl/diff/from/1/to/2").json()

    assert (answer["from"], answer["to"], answer["format"]) == (1, 2, "text")
    assert "-# one" in answer["diff"]
    assert "+# two" in answer["diff"]


@pytest.mark.parametrize("path", ["vcl/a/download", "vcl/a/content", "generated_vcl"])
def test_who_may_not_read_vcl_gets_403(una, base, draft, path):
    file(draft, "a")

    assert client_of(una).get(f"{base}/{path}").status_code == 403


def test_the_content_of_a_dynamic_snippet_counts_for_every_version(
    api, shop, draft, base, acme
):
    made = api.post(
        f"{base}/snippet", "name=s&type=recv&dynamic=1&content=%23 one", FORM
    ).json()
    clone = api.put(f"{base}/clone").json()["number"]
    api.put(f"{base}/lock")
    path = f"/api/service/{shop.pk}/snippet/{made['id']}"

    before = api.get(path).json()
    changed = api.put(path, "content=%23 two", FORM)

    assert made["content"] is None
    assert before["content"] == "# one"
    assert (
        changed.json().items()
        >= {
            "content": "# two",
            "snippet_id": made["id"],
            "service_id": shop.pk,
        }.items()
    )
    assert noted(acme.pk)[-1] == "snippet.content_changed"
    for number in (1, clone):
        vcl = api.get(f"/api/service/{shop.pk}/version/{number}/generated_vcl").json()
        assert "# two" in vcl["content"]


def test_a_draft_changes_the_shared_content_too(api, shop, draft, base):
    made = api.post(
        f"{base}/snippet", "name=s&type=recv&dynamic=1&content=one", FORM
    ).json()
    clone = api.put(f"{base}/clone").json()["number"]

    api.put(
        f"/api/service/{shop.pk}/version/{clone}/snippet/s",
        "content=two&type=deliver",
        FORM,
    )

    path = f"/api/service/{shop.pk}/snippet/{made['id']}"
    assert api.get(path).json()["content"] == "two"
    assert api.get(f"{base}/snippet/s").json()["type"] == "recv"


def test_a_snippet_of_one_version_has_no_shared_content(api, shop, draft, base):
    made = api.post(f"{base}/snippet", "name=s&type=recv&content=one", FORM).json()

    answer = api.get(f"/api/service/{shop.pk}/snippet/{made['id']}")

    assert answer.status_code == 400


@pytest.mark.parametrize(
    ("action", "method", "allowed"),
    [("main", "get", "PUT"), ("download", "put", "GET, HEAD")],
)
def test_allow_names_what_the_action_answers(api, base, draft, action, method, allowed):
    api.post(f"{base}/vcl", "name=a&content=x", FORM)

    answer = getattr(api, method)(f"{base}/vcl/a/{action}")

    assert (answer.status_code, answer["Allow"]) == (405, allowed)


@pytest.mark.parametrize(
    ("sent", "shown"), [("1", False), ("0", True), ("True", False)]
)
def test_a_file_is_shown_without_its_content_if_asked(
    eve, shop, draft, base, sent, shown
):
    api = client_of(eve)
    api.post(f"{base}/vcl", "name=a&content=x&main=true", FORM)

    answer = api.get(f"{base}/vcl/a?no_content={sent}").json()

    assert answer["name"] == "a"
    assert ("content" in answer) is shown


def test_the_difference_of_the_same_generated_vcl_names_the_versions(eve, shop, draft):
    path = f"/api/service/{shop.pk}/vcl/diff/from/1/to/1"

    assert client_of(eve).get(path).json()["diff"] == "--- version 1\n+++ version 1"
