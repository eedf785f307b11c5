"""Many ways to alter a trail without triggers, each found at its first entry."""

from datetime import timedelta

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.audit import triggers
from accounts.audit.chain import event_hash
from accounts.audit.models import AuditEvent, ChainHead, PersonalData
from accounts.audit.queries import row_fault, verify
from tests.accounts.audit.writing import BILLED, ENABLED, NOON, write

LENGTH = 9
TEXTS = [
    "account_id",
    "action",
    "actor_id",
    "actor_label",
    "target_type",
    "target_id",
    "target_label",
    "product",
    "service_id",
    "request_id",
]
CLOSED = {"outcome": "refused", "actor_type": "token", "interface": "api"}

events = AuditEvent.objects
numbers = st.integers(1, LENGTH)
shifts = (
    st.integers(-(10**12), 10**12).filter(bool).map(lambda n: timedelta(microseconds=n))
)
words = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8
)


def change_a_column(number, column, word):
    event = events.get(sequence=number)
    held = getattr(event, column)
    events.filter(pk=event.pk).update(**{column: word if word != held else word + "."})
    return number


def change_a_closed_column(number, column):
    events.filter(sequence=number).update(**{column: CLOSED[column]})
    return number


def move_in_time(number, shift):
    event = events.get(sequence=number)
    events.filter(pk=event.pk).update(at=event.at + shift)
    return number


def change_the_text(number, place, sign):
    event = events.get(sequence=number)
    place %= len(event.canonical)
    put = sign if sign != event.canonical[place] else sign + sign
    text = event.canonical[:place] + put + event.canonical[place + 1 :]
    events.filter(pk=event.pk).update(canonical=text)
    return number


def change_the_text_and_its_hash(number):
    event = events.get(sequence=number)
    text = event.canonical.replace('"reason":"', '"reason":"not ')
    events.filter(pk=event.pk).update(
        canonical=text, event_hash=event_hash(event.prev_hash, text)
    )
    return number + 1 if number < LENGTH else None


def change_a_hash(number, column, place):
    event = events.get(sequence=number)
    held = getattr(event, column)
    put = "0" if held[place] != "0" else "1"
    events.filter(pk=event.pk).update(
        **{column: held[:place] + put + held[place + 1 :]}
    )
    return number


def delete(number):
    events.filter(sequence=number).delete()
    return number


def delete_from_there_on(number):
    events.filter(sequence__gte=number).delete()
    return number


def swap(number, other):
    first, second = events.get(sequence=number), events.get(sequence=other)
    events.filter(pk=first.pk).update(sequence=-1)
    events.filter(pk=second.pk).update(sequence=number)
    events.filter(pk=first.pk).update(sequence=other)
    return min(number, other)


def renumber_the_last(step):
    events.filter(sequence=LENGTH).update(sequence=LENGTH + step)
    return LENGTH


def insert_before_the_first(number):
    event = events.get(sequence=number)
    event.pk, event.sequence = None, 1 - number
    event.save(force_insert=True)
    return 1 - number


def insert_after_the_head(number):
    event = events.get(sequence=number)
    event.pk, event.sequence = None, LENGTH + 1
    event.save(force_insert=True)
    return LENGTH + 1


def set_the_head_back(number):
    ChainHead.objects.update(sequence=number - 1)
    return number


def put_the_head_forward(number):
    ChainHead.objects.update(sequence=LENGTH + number)
    return LENGTH + 1


def change_the_heads_hash(place):
    head = ChainHead.objects.get()
    put = "0" if head.event_hash[place] != "0" else "1"
    head.event_hash = head.event_hash[:place] + put + head.event_hash[place + 1 :]
    head.save()


def move_the_head_in_time(shift):
    ChainHead.objects.update(at=NOON + shift)


def delete_the_head():
    ChainHead.objects.all().delete()


def change_a_personal_value(number, kind, word):
    PersonalData.objects.filter(sequence=number, kind=kind).update(value=word + "#")
    return number


def change_a_salt(number, kind, salt):
    PersonalData.objects.filter(sequence=number, kind=kind).update(salt=salt)
    return number


places = st.integers(0, 63)
kinds = st.sampled_from(["ip", "email", "user_agent"])
mutations = st.one_of(
    st.tuples(st.just(change_a_column), numbers, st.sampled_from(TEXTS), words),
    st.tuples(st.just(change_a_closed_column), numbers, st.sampled_from(list(CLOSED))),
    st.tuples(st.just(move_in_time), numbers, shifts),
    st.tuples(
        st.just(change_the_text),
        numbers,
        st.integers(0, 10**6),
        st.sampled_from("x{0☕"),
    ),
    st.tuples(st.just(change_the_text_and_its_hash), numbers),
    st.tuples(
        st.just(change_a_hash),
        numbers,
        st.sampled_from(["prev_hash", "event_hash"]),
        places,
    ),
    st.tuples(st.just(delete), numbers),
    st.tuples(st.just(delete_from_there_on), numbers),
    st.lists(numbers, min_size=2, max_size=2, unique=True).map(
        lambda pair: (swap, *pair)
    ),
    st.tuples(st.just(renumber_the_last), st.integers(1, 1000)),
    st.tuples(st.just(insert_before_the_first), numbers),
    st.tuples(st.just(insert_after_the_head), numbers),
    st.tuples(st.just(set_the_head_back), numbers),
    st.tuples(st.just(put_the_head_forward), numbers),
    st.tuples(st.just(change_the_heads_hash), places),
    st.tuples(st.just(move_the_head_in_time), shifts),
    st.tuples(st.just(delete_the_head)),
    st.tuples(st.just(change_a_personal_value), numbers, kinds, words),
    st.tuples(
        st.just(change_a_salt),
        numbers,
        kinds,
        st.sampled_from(["00" * 16, "not hex", ""]),
    ),
)


@pytest.fixture
def open_trail(db):
    """A chain of nine entries without triggers."""
    write("acme", *([ENABLED, BILLED, ENABLED] * (LENGTH // 3)))
    triggers.remove(connection)


@given(mutation=mutations)
@settings(
    max_examples=max(300, settings().max_examples // 2),  # of about 20 alterations
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_every_alteration_is_found_at_its_first_entry(open_trail, mutation):
    alter, *arguments = mutation

    with transaction.atomic():
        first_invalid = alter(*arguments)
        result = verify("acme")
        transaction.set_rollback(True)

    assert not result.is_valid
    assert result.first_invalid == first_invalid
    assert "triggers" not in result.reason


def test_missing_triggers_alone_make_a_chain_invalid(open_trail):
    result = verify("acme")

    assert (result.is_valid, result.checked, result.first_invalid) == (
        False,
        LENGTH,
        None,
    )
    assert result.reason.startswith(
        "triggers missing on audit_auditevent: audit_event_appended"
    )


def test_the_fault_is_described(open_trail):
    events.filter(sequence=4).update(actor_label="Eve")

    result = verify("acme")

    assert (result.checked, result.first_invalid) == (3, 4)
    assert result.reason == "its column actor_label differs from its text"
    assert row_fault(events.get(sequence=4)) == result.reason


def forge(sequence, text):
    """Put a text of one's own in an event's place, with the hash that fits it."""
    event = events.get(sequence=sequence)
    hash_ = event_hash(event.prev_hash, text)
    events.filter(pk=event.pk).update(canonical=text, event_hash=hash_)


@pytest.mark.parametrize(
    "text, reason",
    [
        pytest.param("not JSON", "its text is not JSON", id="not JSON"),
        pytest.param("[]", "its text is not an object", id="not an object"),
        pytest.param("{}", "its column account_id differs from its text", id="empty"),
        pytest.param(
            '{"account":"acme","actor":7}',
            "its column sequence differs from its text",
            id="bare",
        ),
    ],
)
def test_a_forged_text_of_another_shape_is_a_fault_and_not_a_crash(
    open_trail, text, reason
):
    forge(2, text)

    result = verify("acme")

    assert (result.first_invalid, result.reason) == (2, reason)


def test_only_a_checkpoint_would_show_a_truncated_chain(open_trail):
    last = events.get(sequence=5)
    events.filter(sequence__gt=5).delete()
    PersonalData.objects.filter(sequence__gt=5).delete()
    ChainHead.objects.update(sequence=5, event_hash=last.event_hash, at=last.at)
    triggers.install(connection)

    assert verify("acme").is_valid
