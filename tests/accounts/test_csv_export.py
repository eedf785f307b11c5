"""CSV files open in a spreadsheet without computing anything."""

import csv
import io

import pytest

from accounts.csv_export import csv_lines


def read(text):
    return list(csv.reader(io.StringIO(text)))


def test_values_are_quoted_so_that_they_are_read_back():
    rows = [["a,b", 'said "no"', "two\nlines", 12]]

    text = "".join(csv_lines(["one", "two", "three", "four"], rows))

    assert read(text)[1] == ["a,b", 'said "no"', "two\nlines", "12"]
    assert text.endswith("\r\n")


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_a_text_that_a_spreadsheet_would_compute_gets_an_apostrophe(start):
    [_, line] = csv_lines(["name", "amount"], [[f"{start}1+1", -5]])

    assert read(line) == [[f"'{start}1+1", "-5"]]
