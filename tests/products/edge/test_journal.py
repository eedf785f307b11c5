"""What stands in the spool is JSON, though it is written by hand."""

import json
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from products.edge.journal import ConnectionEntry, instant, read_entry

_WHOLE = st.integers(min_value=0, max_value=2**63)


@given(
    entry=st.builds(
        ConnectionEntry,
        number=_WHOLE,
        service=st.text(max_size=30),
        month=st.text(max_size=10),
        started_us=_WHOLE,
        duration_us=_WHOLE,
        bytes_from_client=_WHOLE,
        bytes_to_client=_WHOLE,
        final=st.booleans(),
    )
)
def test_a_reading_comes_back_as_it_was_written(entry):
    payload = entry.to_payload()

    assert read_entry(payload) == entry
    whole = json.loads(payload)
    assert payload == json.dumps(whole, separators=(",", ":")).encode()


@given(microseconds=st.integers(min_value=0, max_value=10**16))
def test_an_instant_has_six_decimals_and_ends_with_z(microseconds):
    text = instant(microseconds)

    since = datetime.fromisoformat(text) - datetime(1970, 1, 1, tzinfo=UTC)
    assert since // timedelta(microseconds=1) == microseconds
    assert len(text) == len("2026-11-22T08:00:00.000000Z")
    assert text.endswith("Z")
