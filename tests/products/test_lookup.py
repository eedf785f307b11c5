"""Names are looked up once, and denied as a whole."""

import socket
import threading
from ipaddress import ip_address, ip_network

import pytest

from products.lookup import AddressDenied, Unresolvable, look_up_stream, resolve


class FakeResolver:
    """Answers each question with the next of the given lists; counts the questions."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.questions = []

    def __call__(self, host, port):
        self.questions.append((host, port))
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))
            for address in self.answers.pop(0)
        ]


def test_a_public_host_gives_its_addresses_in_the_resolvers_order():
    look_up = FakeResolver(["8.8.8.8", "2606:4700::1111", "8.8.8.8", "1.1.1.1"])

    found = resolve("origin.example", 443, look_up=look_up)

    assert found == tuple(map(ip_address, ("8.8.8.8", "2606:4700::1111", "1.1.1.1")))
    assert look_up.questions == [("origin.example", 443)]


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        (["8.8.8.8", "127.0.0.1"], "loopback"),
        (["127.0.0.1", "8.8.8.8"], "loopback"),
        (["8.8.8.8", "1.1.1.1", "169.254.169.254"], "link-local"),
        (["8.8.8.8", "64:ff9b::7f00:1"], "embedded"),
        (["8.8.8.8", "fe80::1%eth0"], "link-local"),
    ],
)
def test_one_refused_answer_refuses_the_host(answers, reason):
    with pytest.raises(AddressDenied) as refusal:
        resolve("origin.example", 443, look_up=FakeResolver(answers))

    assert refusal.value.reason == reason


def test_a_name_that_turns_to_loopback_on_the_second_question_is_asked_only_once():
    look_up = FakeResolver(["8.8.8.8"], ["127.0.0.1"])

    found = resolve("rebinding.example", 443, look_up=look_up)

    assert found == (ip_address("8.8.8.8"),)
    assert look_up.answers == [["127.0.0.1"]]


def test_an_allowed_network_is_returned_and_its_neighbour_refused():
    allowed = [ip_network("10.1.0.0/16")]

    found = resolve("a.example", 80, allowed, look_up=FakeResolver(["10.1.2.3"]))
    with pytest.raises(AddressDenied) as refusal:
        resolve("b.example", 80, allowed, look_up=FakeResolver(["10.2.2.3"]))

    assert found == (ip_address("10.1.2.3"),)
    assert refusal.value.reason == "private"


@pytest.mark.parametrize(
    "host", ["2130706433", "0x7f.1", "127.1", "0177.0.0.1", "①②⑦.⓪.⓪.①", "[::1]"]
)
def test_no_spelling_of_loopback_gets_past_the_machines_resolver(host):
    with pytest.raises((AddressDenied, Unresolvable)):
        resolve(host, 443, look_up=look_up_stream)


def test_a_name_without_answers_is_unresolvable():
    with pytest.raises(Unresolvable):
        resolve("empty.example", 443, look_up=FakeResolver([]))


@pytest.mark.parametrize("host", ["", "a\0b", "x" * 64 + ".example", "a..b"])
def test_a_name_that_cannot_be_asked_for_is_unresolvable(host):
    with pytest.raises(Unresolvable):
        resolve(host, 443)


def test_a_resolver_that_fails_leaves_the_name_unresolvable():
    def look_up(host, port):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    with pytest.raises(Unresolvable):
        resolve("nowhere.example", 443, look_up=look_up)


def test_a_resolver_that_does_not_answer_is_not_waited_for():
    released = threading.Event()

    def look_up(host, port):
        released.wait(30)
        return []

    with pytest.raises(Unresolvable):
        resolve("slow.example", 443, look_up=look_up, timeout_seconds=0.05)
    released.set()
