"""The theme is kept in a cookie, and nobody is led away from the portal."""

import pytest
from django.test import Client


@pytest.mark.parametrize("theme", ["system", "light", "dark"])
def test_a_theme_is_kept_and_one_stays_where_one_was(db, theme):
    client = Client()

    answer = client.post(
        "/theme/", {"theme": theme, "next": "/accounts/login/?next=/x"}
    )

    assert (answer.status_code, answer.url) == (302, "/accounts/login/?next=/x")
    assert f'data-theme="{theme}"'.encode() in client.get("/accounts/login/").content


@pytest.mark.parametrize("theme", ["", "neon", "dark; path=/"])
def test_a_theme_that_there_is_not_is_not_kept(db, theme):
    answer = Client().post("/theme/", {"theme": theme, "next": "/"})

    assert "theme" not in answer.cookies


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
        "",
    ],
)
def test_nobody_is_led_away(db, address):
    assert Client().post("/theme/", {"theme": "dark", "next": address}).url == "/"


def test_a_theme_is_set_by_post_alone(db):
    assert Client().get("/theme/").status_code == 405


def test_the_forms_need_their_token(db, sam, browser):
    client = Client(enforce_csrf_checks=True)

    assert client.post("/theme/", {"theme": "dark"}).status_code == 403
