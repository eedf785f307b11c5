"""The page where a member's access is limited to chosen services (R21)."""

import time

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Membership, User
from accounts.roles import AccessLevel
from accounts.service_access import levels_of
from tests.factories.services import ServiceFactory
from tests.factories.sessions import confirm


@pytest.fixture
def client(sam):
    client = Client()
    user = User.objects.get(pk=sam.user_id)
    client.force_login(user)
    confirm(client, sam.user_id, time.time())
    return client


def address(actor):
    return reverse(
        "member_access", args=[Membership.objects.get(user_id=actor.user_id).pk]
    )


def test_the_page_shows_the_current_access(client, lin, shop):
    page = client.get(address(lin)).content.decode()

    assert 'value="yes" id="id_limited_1" required checked' in page.replace(
        'required id="id_limited_1"', 'id="id_limited_1" required'
    )
    assert f'name="level_{shop.pk}"' in page
    assert '<option value="full" selected>' in page


def test_access_is_replaced_as_a_whole(client, acme, lin, shop):
    blog = ServiceFactory.create(account=acme, name="blog")

    answer = client.post(
        address(lin),
        {"limited": "yes", f"level_{shop.pk}": "", f"level_{blog.pk}": "read_only"},
    )

    assert answer.status_code == 303
    assert levels_of(lin.user_id) == {blog.pk: AccessLevel.READ_ONLY}


def test_access_to_all_services_is_granted(client, lin, shop):
    client.post(address(lin), {"limited": "no", f"level_{shop.pk}": "full"})

    assert levels_of(lin.user_id) == {}
    assert Membership.objects.get(user_id=lin.user_id).limit_services is False


def test_a_billing_person_is_not_limited(client, bo, shop):
    answer = client.post(address(bo), {"limited": "yes", f"level_{shop.pk}": "full"})

    assert answer.status_code == 400
    assert (
        b"Only engineers and users can be limited to chosen services; Bo"
        in answer.content
    )
    assert levels_of(bo.user_id) == {}


def test_an_unknown_level_changes_nothing(client, lin, shop):
    answer = client.post(address(lin), {"limited": "yes", f"level_{shop.pk}": "owner"})

    assert answer.status_code == 400
    assert levels_of(lin.user_id) == {shop.pk: AccessLevel.FULL}


def test_a_service_of_another_account_cannot_be_named(client, globex, eve):
    other = ServiceFactory.create(account=globex, name="other")

    client.post(address(eve), {"limited": "yes", f"level_{other.pk}": "full"})

    assert levels_of(eve.user_id) == {}


def test_without_reauthentication_nothing_changes_and_the_choice_is_kept(
    client, sam, lin, shop
):
    confirm(client, sam.user_id, time.time() - 301)

    answer = client.post(
        address(lin), {"limited": "yes", f"level_{shop.pk}": "purge_all"}
    )

    assert answer.status_code == 403
    assert levels_of(lin.user_id) == {shop.pk: AccessLevel.FULL}
    assert f'name="level_{shop.pk}" value="purge_all"' in answer.content.decode()


@pytest.fixture
def many(acme):
    """Return 40 services of Acme, by name, besides `shop`."""
    return [
        ServiceFactory.create(account=acme, name=f"zone-{number:02d}")
        for number in range(40)
    ]


def test_the_first_services_are_offered_and_the_others_found(client, lin, shop, many):
    first = client.get(address(lin)).content.decode()
    typed = {"limited": "yes", f"level_{shop.pk}": "read_only", "find": "ZONE-39"}
    found = client.post(address(lin), typed | {"search": "1"})

    assert f'name="level_{many[18].pk}"' in first
    assert f'name="level_{many[39].pk}"' not in first
    page = found.content.decode()
    assert found.status_code == 200
    assert f'name="level_{many[39].pk}"' in page
    assert f'name="level_{many[18].pk}"' not in page
    assert found.context["form"][f"level_{shop.pk}"].value() == "read_only"
    assert levels_of(lin.user_id) == {shop.pk: AccessLevel.FULL}


def test_chosen_services_that_are_not_shown_stay_chosen(client, lin, shop, many):
    chosen = {f"level_{each.pk}": "full" for each in many}
    searched = client.post(
        address(lin), chosen | {"limited": "yes", "find": "shop", "search": "1"}
    )
    form = searched.context["form"]
    kept = [each.id for each in form.picker.kept]

    client.post(
        address(lin),
        {"limited": "yes", f"level_{shop.pk}": ""}
        | {f"level_{each.pk}": form[f"level_{each.pk}"].value() for each in many},
    )

    assert kept == [each.pk for each in many[30:]]
    assert form.fields[f"level_{kept[0]}"].widget.is_hidden
    assert levels_of(lin.user_id) == {each.pk: AccessLevel.FULL for each in many}
