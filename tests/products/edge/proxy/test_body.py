"""Bodies: read alike however they are cut."""

from hypothesis import given
from hypothesis import strategies as st

from products.edge.proxy.body import LAST_CHUNK, BodyMalformed, Chunked, Sized, chunk


@given(st.lists(st.binary(min_size=1, max_size=50), max_size=6), st.data())
def test_chunks_are_read_alike_however_they_are_cut(payloads, data):
    text = b"".join(map(chunk, payloads)) + LAST_CHUNK
    body = Chunked()
    read = b""
    while text:
        size = data.draw(st.integers(1, len(text)))
        read += body.feed(text[:size])
        text = text[size:]

    assert body.done
    assert read == b"".join(payloads)


@given(st.binary(max_size=200))
def test_any_bytes_are_chunks_or_malformed(data):
    body = Chunked()
    try:
        read = body.feed(data)
    except BodyMalformed:
        return
    assert len(read) < max(1, len(data))


@given(st.integers(0, 30), st.binary(max_size=60))
def test_a_sized_body_takes_its_size_and_no_more(size, data):
    body = Sized(size)

    assert body.feed(data) == data[:size]
    assert body.done == (len(data) >= size)
