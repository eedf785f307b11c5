"""Notice of API tokens that expire soon: to the owner, seven days and one day before, once each."""

from datetime import timedelta

import pytest

from accounts.commands.members import remove_member
from accounts.commands.notices import choose_topics, make_notices
from accounts.commands.token_expiry import check_tokens
from accounts.models import ApiToken, Notice, OutgoingMail, User
from accounts.roles import Role
from tests.concurrency import together
from tests.factories import NOW
from tests.factories.accounts import NO_EMAILS, actor_for, member
from tests.factories.keys import automation_key, key_of

DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)
END = NOW + 30 * DAY


@pytest.fixture
def checked(acme, noted):
    """Return a function that runs the sweep at a time and returns how many tokens it noted."""

    def sweep(at):
        before = noted(acme).count("token.expiring")
        check_tokens(now=at)
        return noted(acme).count("token.expiring") - before

    return sweep


def notified():
    make_notices(now=NOW)
    return sorted(Notice.objects.values_list("user__name", flat=True))


def test_there_is_one_notice_seven_days_before_and_one_on_the_last_day(eve, checked):
    key_of(eve, expires_at=END)

    assert checked(END - 7 * DAY - SECOND) == 0
    assert checked(END - 7 * DAY) == 1
    assert checked(END - 7 * DAY) == 0
    assert checked(END - DAY - SECOND) == 0
    assert checked(END - DAY) == 1
    assert checked(END - SECOND) == 0


def test_a_late_sweep_gives_one_notice_and_none_after_the_expiry(eve, checked):
    key_of(eve, expires_at=END)

    assert checked(END) == 0
    assert checked(END - DAY / 2) == 1
    assert checked(END - DAY / 4) == 0


@pytest.mark.parametrize(
    ("lifetime", "notices"), [(DAY, 0), (5 * DAY, 1), (7 * DAY, 1), (8 * DAY, 2)]
)
def test_a_token_created_after_a_notice_was_due_gets_only_the_later(
    eve, checked, lifetime, notices
):
    key_of(eve, expires_at=NOW + lifetime)

    hours = range(int(lifetime / timedelta(hours=6)))
    assert sum(checked(NOW + each * timedelta(hours=6)) for each in hours) == notices


def test_revoked_and_endless_tokens_need_no_notice(eve, checked):
    key_of(eve, expires_at=END)
    ApiToken.objects.update(revoked_at=NOW)
    key_of(eve)

    assert checked(END - DAY) == 0


def test_the_owner_gets_a_notice_and_an_email_that_say_what_to_do(
    acme, sam, eve, settings
):
    key_of(eve, expires_at=END)
    check_tokens(now=END - 7 * DAY)

    assert notified() == ["Eve"]
    [mail] = OutgoingMail.objects.all()
    assert mail.to == eve.email
    assert "The API token Eve's key of Eve expires on 22 December 2026" in mail.body
    assert "create a new token" in mail.body
    assert f"API tokens: {settings.PORTAL_URL}/api-tokens/" in mail.body


def test_superusers_get_the_notice_of_an_automation_token(acme, sam, eve, bo):
    automation_key(acme, "engineer", expires_at=END)
    check_tokens(now=END - DAY)

    assert notified() == ["Sam"]


def test_who_turned_the_topic_off_gets_no_email(eve):
    key_of(eve, expires_at=END)
    choose_topics(
        eve, user=User.objects.get(pk=eve.user_id), choices=NO_EMAILS, now=NOW
    )
    check_tokens(now=END - DAY)

    assert notified() == ["Eve"]
    assert not OutgoingMail.objects.exists()


def test_an_owner_who_left_meanwhile_gets_no_notice_of_it(acme, sam, eve, membership):
    key_of(eve, expires_at=END)
    check_tokens(now=END - DAY)
    remove_member(sam, membership=membership(eve), now=END - DAY)
    make_notices(now=NOW)

    assert not Notice.objects.filter(topic="tokens").exists()


@pytest.mark.django_db(transaction=True)
def test_two_sweeps_at_the_same_time_note_each_token_once(acme, noted):
    key_of(actor_for(member(acme, "Eve", Role.ENGINEER), acme), expires_at=END)

    together(*[lambda: check_tokens(now=END - DAY)] * 2)

    assert noted(acme) == ["token.expiring"]
