"""The journal: whole records survive whatever happens to the rest."""

import errno
import os
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from products.edge.journal import (
    ConnectionEntry,
    DeliveryEntry,
    hour_of,
    instant,
    read_entry,
)
from products.edge.spool import (
    Spool,
    SpoolUnwritable,
    framed,
    records,
    segments,
)


def entry(number, duration_us=0, *, final=False, month="2026-11", sent=10, received=20):
    return ConnectionEntry(
        number,
        "service",
        month,
        1_795_000_000_000_000,
        duration_us,
        sent,
        received,
        final,
    )


def payloads(data):
    return [payload for payload, _ in records(data)]


def spool_in(folder, segment_bytes=1_000_000):
    return Spool(folder, segment_bytes=segment_bytes)


def everything_in(folder):
    return [
        read_entry(payload)
        for _, path in segments(folder)
        for payload in payloads(path.read_bytes())
    ]


def test_a_record_is_its_length_its_crc_and_its_payload():
    assert (
        framed(b"abc") == b"\x00\x00\x00\x03" + (0x352441C2).to_bytes(4, "big") + b"abc"
    )
    assert zlib.crc32(b"abc") == 0x352441C2


def test_what_is_appended_is_read_back_in_order(tmp_path):
    spool = spool_in(tmp_path)

    spool.append([b"one"])
    spool.append([b"two", b"three"])
    spool.close()

    ((_, path),) = segments(tmp_path)
    assert payloads(path.read_bytes()) == [b"one", b"two", b"three"]
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_full_segment_is_followed_by_the_next(tmp_path):
    spool = spool_in(tmp_path, segment_bytes=10)

    for text in (b"one", b"two", b"three"):
        spool.append([text])
    spool.close()

    found = segments(tmp_path)
    assert [number for number, _ in found] == [1, 2, 3]
    assert [payloads(path.read_bytes()) for _, path in found] == [
        [b"one"],
        [b"two"],
        [b"three"],
    ]


def test_the_last_record_torn_at_every_byte_leaves_those_before(tmp_path):
    good = framed(b"first") + framed(b"second")
    last = framed(b"the last one")

    whole = [payloads(good + last[:length]) for length in range(len(last))]

    assert whole == [[b"first", b"second"]] * len(last)


def test_any_flipped_bit_of_the_last_record_leaves_those_before():
    good = framed(b"first")
    last = framed(b"second")

    for place in range(len(last) * 8):
        torn = bytearray(last)
        torn[place // 8] ^= 1 << place % 8
        assert payloads(good + bytes(torn)) == [b"first"]


def test_zeros_after_a_power_cut_are_no_records():
    assert payloads(framed(b"first") + bytes(4096)) == [b"first"]


@given(
    st.lists(st.binary(min_size=1, max_size=200), max_size=8), st.binary(max_size=60)
)
def test_whole_records_are_found_before_any_rubbish(written, rubbish):
    data = b"".join(map(framed, written))

    found = payloads(data + rubbish)

    assert found[: len(written)] == written


@given(st.binary(max_size=400))
def test_any_bytes_are_read_without_harm(data):
    for payload, end in records(data):
        assert 0 < end <= len(data)
        read_entry(payload)


@given(st.binary(max_size=80))
def test_any_payload_is_an_entry_or_none(payload):
    assert read_entry(payload) is None


@pytest.mark.parametrize(
    "payload",
    [
        b'["c",1,"s","2026-11",1,2,3,4]',
        b'["c",1,"s","2026-11",1,2,3,4,1]',
        b'["c",true,"s","2026-11",1,2,3,4,true]',
        b'["c",1,"s","2026-11",1,-2,3,4,true]',
        b'["c",1.0,"s","2026-11",1,2,3,4,true]',
        b'["x",1,"s","2026-11",1,2,3,4,true]',
        b'["d","s","h",1,2]',
        b'["d","s","h",1,2,"3"]',
        b'{"c":1}',
        b"[]",
        b"[" * 10_000,
        b"\xff",
    ],
)
def test_a_payload_of_another_form_is_none(payload):
    assert read_entry(payload) is None


@given(
    st.integers(0, 2**53), st.text(max_size=30), st.integers(0, 2**60), st.booleans()
)
def test_entries_survive_the_journal(number, service, count, final):
    one = ConnectionEntry(number, service, "2026-11", count, count, count, 0, final)
    other = DeliveryEntry(service, "2026-11-22T08:00:00Z", number, count, 0)

    assert read_entry(one.to_payload()) == one
    assert read_entry(other.to_payload()) == other


def test_instants_have_six_decimals_and_are_utc():
    assert instant(1_795_334_400_000_001) == "2026-11-22T08:00:00.000001Z"
    assert hour_of(1_795_337_999_999_999) == "2026-11-22T08:00:00Z"


def test_a_folder_that_fills_up_refuses_and_recovers_without_a_torn_record(
    tmp_path, monkeypatch
):
    spool = spool_in(tmp_path)
    spool.append([b"before"])
    write = os.write

    def half(descriptor, data):
        write(descriptor, data[: len(data) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", half)
    with pytest.raises(SpoolUnwritable, match="No space left"):
        spool.append([b"during"])
    assert spool.is_writable is False
    monkeypatch.setattr(os, "write", write)
    spool.append([b"after"])
    spool.close()

    ((_, path),) = segments(tmp_path)
    assert payloads(path.read_bytes()) == [b"before", b"after"]
    assert spool.is_writable is True


def test_a_write_that_is_short_counts_as_refused(tmp_path, monkeypatch):
    spool = spool_in(tmp_path)
    write = os.write
    monkeypatch.setattr(
        os, "write", lambda descriptor, data: write(descriptor, data[:5])
    )
    with pytest.raises(SpoolUnwritable):
        spool.append([b"during"])
    monkeypatch.undo()
    spool.append([b"after"])
    spool.close()

    assert payloads(segments(tmp_path)[0][1].read_bytes()) == [b"after"]


def test_where_nothing_can_be_cut_the_next_segment_takes_over(tmp_path, monkeypatch):
    spool = spool_in(tmp_path)
    spool.append([b"before"])
    write = os.write

    def fail(*given):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "write", lambda d, data: write(d, data[:5]))
    monkeypatch.setattr(os, "ftruncate", fail)
    with pytest.raises(SpoolUnwritable):
        spool.append([b"during"])
    monkeypatch.undo()
    spool.append([b"after"])
    spool.close()

    assert [payloads(path.read_bytes()) for _, path in segments(tmp_path)] == [
        [b"before"],
        [b"after"],
    ]


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(SpoolUnwritable):
        spool_in(tmp_path / "file" / "boot")
