"""Code, templates, documentation and commit subjects use the project's terms."""

import re
import subprocess
from collections.abc import Iterator

import pytest

from tests.architecture.source import EVERYTHING, ROOT

# What to say instead, and the rejected words.
REJECTED = {
    "app, layer, interface, module, import contract": (
        "doors?|storeys?|flats?|rooms?|houses?|faces?|walls?"
    ),
    "check, decision, evaluate, does not apply": "gates?|verdicts?|judge[sd]?|not asked",
    "connection, handler, stream, limiter, revoke, reject": (
        "doom(ed|s)?|heed(s|ed)?|carriages?|crowds?|visit(s|ed)?|wires?|taps?|"
        "knock(s|ing)?|last words?|turn(s|ed)? away"
    ),
    "usage store, instance, closed, dispute, recorded, reported, quarantine": (
        "spool(s|ed)?|boots?|ledgers?|books|bookkeep(ing|er)|journals?|(un)?settled?|"
        "unsettle|untimely|ours|theirs|sets? aside"
    ),
    "durable, again, immediately, no longer, at most, in flight": (
        "lasting|anew|at once|once more|no more(?! (than|reports|attempts))|at the most|under way"
    ),
    "the component or the role; someone in the interface": "nobody|somebody|whoever",
    "a plain verb": "goes with|goes by|stands|speaks of|hears? of|told( of)?|comes to be",
    "MAX_": "(longest|most|largest|deepest|highest|widest)_[a-z]+",
    "so that … not, unless, except": "lest",
    "email, sign in, signed in": "e-mails?|log in|logged in",
}
# Terms of others that contain a rejected word.
ALLOWED = re.compile(
    r"flat=True"  # Django
    r"|(user|get)[._]logged_in"  # the event, and Fastly's function
    r"|journal_(mode|size_limit)"  # SQLite
    r"|credit ledger"  # a term of billing
    r"|(from|to)_wire"  # dnspython
    r"|carriage returns?|wall clock|on the wire|-faced?\b",  # plain English
    re.IGNORECASE,
)
PATTERNS = {
    instead: re.compile(rf"(?<![\w-])({words})(?![\w-])", re.IGNORECASE)
    for instead, words in REJECTED.items()
}
# Most lines have none: one search instead of one for each group.
ANY = re.compile(rf"(?<![\w-])({'|'.join(REJECTED.values())})(?![\w-])", re.IGNORECASE)
# This module quotes the words.
QUOTES = "tests/architecture/test_words.py"
TEMPLATE_CODE = re.compile(r"\{%.*?%\}|\{\{.*?\}\}|<[^>]*>")
FILES = {
    "code": tuple(f"{package}/**/*.py" for package in EVERYTHING),
    "templates": ("templates/**/*.html",),
    "documentation": ("docs/*.md", "README.md", "CHANGELOG.md", "Makefile"),
}
SUBJECT = re.compile(r"[a-z_-]+: [A-Z].{1,70}(?<!\.)")


def as_words(line: str) -> str:
    """Return a line with names as words; an underscore is kept where a constant needs it."""
    line = ALLOWED.sub(" ", line)
    line = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", line)
    return re.sub(r"(?<![A-Z])_+|_+(?![A-Z])", " ", line)


def rejected_in(text: str) -> Iterator[str]:
    words = as_words(text)
    if not ANY.search(words):
        return
    for instead, pattern in PATTERNS.items():
        for match in pattern.finditer(words):
            yield f"{match[0]!r}: say {instead}"


@pytest.mark.parametrize("kind", FILES)
def test_no_rejected_word_is_used(kind):
    paths = sorted(path for pattern in FILES[kind] for path in ROOT.glob(pattern))
    names = {path: str(path.relative_to(ROOT)) for path in paths}

    found = [
        f"{name}:{number}: {each}"
        for path, name in names.items()
        if name != QUOTES
        for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1)
        for each in rejected_in(
            TEMPLATE_CODE.sub(" ", line) if kind == "templates" else line
        )
    ]

    assert found == []


def test_no_rejected_word_is_in_the_name_of_a_file():
    paths = {
        path
        for patterns in FILES.values()
        for each in patterns
        for path in ROOT.glob(each)
    }
    names = {str(path.relative_to(ROOT).with_suffix("")) for path in paths}

    assert {
        name: found
        for name in names
        if (found := list(rejected_in(re.sub(r"[/.-]", " ", name))))
    } == {}


def test_commit_subjects_are_short_and_use_the_projects_terms():
    command = ["git", "log", "--no-merges", "--format=%s", "-10"]
    log = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    subjects = log.stdout.splitlines()

    assert [each for each in subjects if not SUBJECT.fullmatch(each)] == []
    assert {
        each: found for each in subjects if (found := list(rejected_in(each)))
    } == {}


@pytest.mark.parametrize(
    "line",
    [
        "# Open the door.",
        "class Carriage:",
        "class RequestVisit:",
        "def read_spool():",
        "LONGEST_NAME = 5",
        "MOST_CONNECTIONS = 5",
        'x = {"told": 1}',
        "Log in by e-mail.",
    ],
)
def test_a_rejected_word_is_found(line):
    assert list(rejected_in(line))


@pytest.mark.parametrize(
    "line",
    ["values_list(flat=True)", "event = 'user.logged_in'", "PRAGMA journal_mode"],
)
def test_terms_of_others_are_allowed(line):
    assert not list(rejected_in(line))
