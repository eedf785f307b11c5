"""The page of a person's notices, its count in the navigation, and the email settings."""

import pytest

from accounts.commands.notices import set_notice_defaults
from accounts.models import Notice
from tests.accounts.web.test_members import text
from tests.factories import NOW

PAGE = "/notices/"


@pytest.fixture
def tell(acme, eve):
    """Return a function that makes notices for Eve."""

    def make(number=1):
        start = Notice.objects.count()
        return Notice.objects.bulk_create(
            Notice(
                user_id=eve.user_id,
                account=acme,
                sequence=start + each,
                topic="access",
                sentence=f"Sam did thing {start + each}",
                page="/",
                at=NOW,
            )
            for each in range(number)
        )

    return make


def test_without_notices_the_page_says_what_will_be_there(eve, browser):
    page = text(browser(eve).get(PAGE))

    assert "No notices yet" in page
    assert "Mark all as read" not in page


def test_the_navigation_counts_unread_notices_until_they_are_read(eve, browser, tell):
    tell(2)
    client = browser(eve)
    assert unread(client.get("/products/")) == 2

    one = Notice.objects.first()
    client.post("/notices/read/", {"notice": one.pk})
    assert unread(client.get("/products/")) == 1

    answer = client.post("/notices/read/", {"notice": "all"}, follow=True)
    assert unread(answer) == 0
    assert "Sam did thing 1" in text(answer)


def test_all_that_a_filter_shows_are_marked_as_read_and_no_others(eve, browser, tell):
    tell(120)
    budget = Notice.objects.filter(sentence__contains="1").update(topic="budget")
    query = "?topic=budget&q=thing"
    client = browser(eve)
    assert f"Mark {budget} matching notices as read" in text(client.get(PAGE + query))

    answer = client.post(f"/notices/read/{query}", {"notice": "all"}, follow=True)

    assert answer.redirect_chain == [(f"{PAGE}{query}", 303)]
    assert f"Marked {budget} notices as read." in text(answer)
    assert "matching notice" not in text(answer)
    assert unread(answer) == 120 - budget
    only_new = client.get(PAGE, {"state": "new"})
    assert only_new.context["page"].total == 120 - budget


def test_a_notice_that_is_read_leaves_the_reader_where_they_were(eve, browser, tell):
    [first, *_] = tell(60)
    where = f"?topic=access&after={first.pk}"

    answer = browser(eve).post(f"/notices/read/{where}", {"notice": first.pk})

    assert answer.url == PAGE + where


def test_new_notices_of_older_pages_can_be_marked_as_read(eve, browser, tell):
    tell(60)
    newest = Notice.objects.order_by("-sequence")[:50]
    Notice.objects.filter(pk__in=[each.pk for each in newest]).update(read_at=NOW)

    assert "Mark all as read" in text(browser(eve).get(PAGE))


def test_a_form_that_names_no_notice_marks_none_as_read(eve, browser, tell):
    tell(1)
    client = browser(eve)

    answer = client.post("/notices/read/")

    assert answer.status_code == 400
    assert unread(client.get("/products/")) == 1


def unread(answer):
    """Return the number beside *Notices* in the navigation."""
    [entry] = [each for each in answer.context["nav"] if each["label"] == "Notices"]
    shown = f'<span class="count">{entry["count"]}<' in answer.content.decode()
    assert shown == bool(entry["count"])
    return entry["count"]


def test_a_page_has_fifty_notices_and_links_to_older_ones(eve, browser, tell):
    tell(60)
    client = browser(eve)

    first = client.get(PAGE)
    older = client.get(first.context["page"].next_url)

    assert len(first.context["page"].rows) == 50
    assert len(older.context["page"].rows) == 10
    assert b'rel="next"' in first.content
    assert b'rel="next"' not in older.content


def test_notices_of_one_change_are_in_the_order_of_their_entries(eve, browser, tell):
    tell(5)

    rows = browser(eve).get(PAGE).context["page"].rows

    assert [each.sequence for each in rows] == [4, 3, 2, 1, 0]


def test_notices_are_searched_and_filtered_by_topic(eve, browser, tell):
    tell(3)
    Notice.objects.filter(sentence="Sam did thing 2").update(topic="budget")
    client = browser(eve)

    def found(**query):
        rows = client.get(PAGE, query).context["page"].rows
        return sorted(each.sentence for each in rows)

    assert found(topic="budget") == ["Sam did thing 2"]
    assert found(q="THING 1") == ["Sam did thing 1"]
    assert len(found(topic="weather")) == 3
    assert "No notice matches" in text(client.get(PAGE, {"topic": "bills"}))


def test_the_page_takes_the_same_queries_for_any_number(
    eve, browser, tell, django_assert_num_queries
):
    client = browser(eve)
    tell(1)
    client.get(PAGE)
    with django_assert_num_queries(6):
        client.get(PAGE)
    tell(40)
    with django_assert_num_queries(6):
        client.get(PAGE)


def test_notices_of_others_are_not_shown(sam, eve, browser, tell):
    tell()
    assert "Sam did thing" not in text(browser(sam).get(PAGE))


def test_a_former_member_still_reads_their_notices(eve, acme, browser, tell):
    tell()
    acme.memberships.filter(user_id=eve.user_id).delete()

    assert "Sam did thing 0" in text(browser(eve).get(PAGE))


def test_topics_are_turned_off_and_on_or_left_to_the_account(sam, eve, acme, browser):
    set_notice_defaults(sam, account=acme, by_email=["prices"], now=NOW)

    saved = browser(eve).post(
        "/notices/settings/",
        {"prices": "off", "trials": "on", "products": "", "login": "off"},
        follow=True,
    )

    chosen = {each.topic.value: each.own for each in saved.context["optional"]}
    on = [each.topic.value for each in saved.context["optional"] if each.by_email]
    assert (chosen["prices"], chosen["trials"], chosen["products"]) == (
        False,
        True,
        None,
    )
    assert on == ["trials"]
    assert "Default of Acme: on" in text(saved)
    assert "Default of Acme: off" in text(saved)
    assert "Your role and your access" in text(saved)
