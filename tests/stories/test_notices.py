"""A real worker with a real broker sends each notice once."""

import email
import email.policy
from email.message import EmailMessage

from tests.portal.waiting import until
from tests.stories.stack import Stack

JOINED = {
    f"Acme: {name} joined as {role}"
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


def test_the_superuser_is_notified_once_of_each_person_who_joined(stack):
    address = stack.person("superuser")["login"]

    def joined() -> list[EmailMessage]:
        messages = sent_to(stack, address)
        return [each for each in messages if each["Subject"] in JOINED]

    until(lambda: len(joined()) >= len(JOINED), "the emails about those who joined")

    assert sorted(each["Subject"] for each in joined()) == sorted(JOINED)
    assert len({each["Message-ID"] for each in joined()}) == len(JOINED)
