"""Certificates of domains are read without ever waiting for a person."""

import os
import pty
import ssl
import sys

import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from products.edge.tls import client_tls, load_certificate
from tests.products.edge.fake_portal import eventually

READ = (
    "from pathlib import Path; from products.edge.tls import client_tls, load_certificate;"
    "load_certificate(client_tls(), Path({!r}))"
)


def with_passphrase(path):
    """Write a certificate whose key needs a passphrase."""
    leaf = trustme.CA().issue_cert("one.test")
    key = serialization.load_pem_private_key(leaf.private_key_pem.bytes(), None)
    locked = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )
    path.write_bytes(locked + b"".join(one.bytes() for one in leaf.cert_chain_pems))


def test_a_key_with_a_passphrase_is_refused(tmp_path):
    with_passphrase(tmp_path / "one.test.pem")

    with pytest.raises(ssl.SSLError):
        load_certificate(client_tls(), tmp_path / "one.test.pem")


def test_no_passphrase_is_asked_for_even_in_a_terminal(tmp_path):
    with_passphrase(tmp_path / "one.test.pem")

    child, terminal = pty.fork()
    if child == 0:
        read = READ.format(str(tmp_path / "one.test.pem"))
        os.execv(sys.executable, [sys.executable, "-c", read])
    try:
        assert eventually(lambda: os.waitpid(child, os.WNOHANG)[0]) == child
    finally:
        os.close(terminal)  # ends a child that waits there


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "one.test.pem")

    with pytest.raises(OSError, match="is not a file"):
        load_certificate(client_tls(), tmp_path / "one.test.pem")
