"""The form of the secrets of API tokens."""

import re

from accounts.tokens import checksum, new_token_secret


def test_a_secret_has_a_prefix_and_a_checksum_that_scanners_know():
    secret = new_token_secret()

    assert re.fullmatch(r"tg_[0-9A-Za-z]{29}", secret)
    assert len(secret) == 32
    assert secret[-6:] == checksum(secret[3:-6])


def test_the_checksum_is_the_crc_32_in_base_62():
    # The CRC-32 of the letter is 3,904,355,907.
    assert checksum("a") == "4GEHKN"
