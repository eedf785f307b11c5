"""A real worker with a real broker sends each notice once."""

import email
import email.policy
from email.message import EmailMessage

from tests.portal.waiting import until
from tests.stories.stack import Stack

JOINED = {
    f"{name} joined as {role}."
    for name, role in (
        ("Eve Lindqvist", "engineer"),
        ("Lin Okafor", "engineer"),
        ("Bo Hartmann", "billing"),
        ("Una Castro", "user"),
    )
}


def sent_to(stack: Stack, address: str) -> list[EmailMessage]:
    """Return the emails that were sent to an address."""
    found = [
        email.message_from_bytes(text.encode(), policy=email.policy.default)
        for path in (stack.data_dir / "mail").glob("*.log")
        for text in path.read_text().split(f"\n{'-' * 79}\n")
        if text.strip()
    ]
    return [message for message in found if message["To"] == address]


def text_of(message: EmailMessage) -> list[str]:
    """Return the lines of an email's text."""
    body = message.get_body(("plain",))
    assert body is not None
    lines: list[str] = body.get_content().splitlines()
    return lines


def test_the_superuser_is_notified_once_of_each_person_who_joined(stack):
    address = stack.person("superuser")["login"]

    def joined() -> list[str]:
        """Return the sentences about those who joined, of all emails."""
        bodies = [text_of(each) for each in sent_to(stack, address)]
        return [line for body in bodies for line in body if line in JOINED]

    until(lambda: len(joined()) >= len(JOINED), "the emails about those who joined")

    assert sorted(joined()) == sorted(JOINED)
    sent = [each["Message-ID"] for each in sent_to(stack, address)]
    assert len(set(sent)) == len(sent)
