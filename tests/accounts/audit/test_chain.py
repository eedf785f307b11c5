"""Canonical text and hashes, to the last digit of the worked example."""

import json
from collections import OrderedDict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.audit.chain import GENESIS, canonical, event_hash

VECTORS = Path(__file__).parent / "vectors"
LINES = (VECTORS / "audit.jsonl").read_text().splitlines()
EXPECTED = dict(
    line.rsplit("  ", 1) if "  " in line else line.split(": ")
    for line in (VECTORS / "audit-expected.txt").read_text().splitlines()
    if not line.startswith("bytes")
)


def chained(texts):
    hashes = [GENESIS]
    for text in texts:
        hashes.append(event_hash(hashes[-1], text))
    return hashes[1:]


@pytest.mark.parametrize("line", LINES, ids=["first", "second", "third"])
def test_the_worked_examples_are_canonical(line):
    assert canonical(json.loads(line)) == line


def test_the_worked_examples_have_the_expected_lengths():
    first_line = (VECTORS / "audit-expected.txt").read_text().splitlines()[0]

    assert first_line == "bytes " + " / ".join(
        str(len(line.encode())) for line in LINES
    )


def test_the_worked_examples_have_the_expected_hashes():
    assert chained(LINES) == [
        EXPECTED["hash 1"],
        EXPECTED["hash 2"],
        EXPECTED["hash 3"],
    ]


@pytest.mark.parametrize(
    "value, reason",
    [
        pytest.param(1.0, "float", id="a float"),
        pytest.param(float("nan"), "float", id="not a number"),
        pytest.param("\ud800", "lone surrogate", id="a lone surrogate"),
        pytest.param({"\ud83d": 1}, "key in ASCII", id="a surrogate as a key"),
        pytest.param({"ключ": 1}, "key in ASCII", id="a key outside ASCII"),
        pytest.param({1: "one"}, "key in ASCII", id="a key that is a number"),
        pytest.param({None: 1}, "key in ASCII", id="a key that is nothing"),
        pytest.param((1, 2), "tuple", id="a tuple"),
        pytest.param({1, 2}, "set", id="a set"),
        pytest.param(b"bytes", "bytes", id="bytes"),
        pytest.param(
            OrderedDict(a=1), "OrderedDict", id="a dictionary of another kind"
        ),
        pytest.param(
            2**53, "too large", id="a whole number beyond what all readers hold"
        ),
        pytest.param(-(2**53), "too large", id="one below it"),
        pytest.param(object(), "object", id="an object"),
    ],
)
def test_a_value_without_a_canonical_form_is_refused(value, reason):
    with pytest.raises(ValueError, match=reason):
        canonical({"deep": [{"in": value}]})


def test_a_body_that_contains_itself_is_refused():
    body: dict[str, object] = {}
    body["self"] = body

    with pytest.raises(ValueError, match="nested deeper"):
        canonical(body)


def test_canonical_text_sorts_keys_and_keeps_text_as_it_is():
    body = {"b": [True, None, -7], "a": 'naïve ☕ "\n\x7f\x1f', "B": {}}

    assert (
        canonical(body)
        == '{"B":{},"a":"naïve ☕ \\"\\n\x7f\\u001f","b":[true,null,-7]}'
    )


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.text(st.characters(max_codepoint=127), max_size=5), inner, max_size=3
        )
    ),
    max_leaves=10,
)


@given(st.dictionaries(st.text(st.characters(max_codepoint=127)), PLAIN, max_size=4))
def test_canonical_text_can_be_parsed_and_written_again(body):
    text = canonical(body)

    assert json.loads(text) == body
    assert canonical(json.loads(text)) == text
