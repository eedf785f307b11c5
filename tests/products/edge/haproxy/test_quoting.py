"""What a customer gave is one word to HAProxy, whatever it holds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from products.edge.haproxy.quoting import Unquotable, format_word, word


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\x00"])
def test_a_value_that_would_end_the_line_is_never_written(end):
    with pytest.raises(Unquotable):
        word(b"a" + end + b"server evil 127.0.0.1:1")
    with pytest.raises(Unquotable):
        format_word(b"a" + end)


def test_a_plain_value_stays_as_it_is_and_all_else_is_quoted():
    assert word(b"example.com:80") == b"example.com:80"
    assert word(b"a b") == b"'a b'"
    assert word(b"it's") == b"'it'\\''s'"
    assert word(b'"${HOME}" \\') == b"'\"${HOME}\" \\'"


def test_a_format_has_no_expressions_of_the_customers():
    assert format_word(b"%[src]%%") == b"'%%[src]%%%%'"
    assert format_word(b"") == b"'%[str()]'"


@given(st.binary().filter(lambda data: not set(data) & {0, 10, 13}))
def test_a_word_read_by_haproxys_rules_is_the_value_again(value):
    assert _read(word(value)) == value


def _read(text):
    r"""Read one word as the manual says (2.2): single quotes keep all, `\\` one byte."""
    read = bytearray()
    is_quoted = False
    position = 0
    while position < len(text):
        byte = text[position : position + 1]
        position += 1
        if byte == b"'":
            is_quoted = not is_quoted
        elif byte == b"\\" and not is_quoted:
            read += text[position : position + 1]
            position += 1
        else:
            assert is_quoted or byte not in b' "#$\t'
            read += byte
    assert not is_quoted
    return bytes(read)
