"""Certificates of domains are read without ever waiting for a person."""

import os
import pty
import ssl
import sys

import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from products.edge.tls import CertificateFolder, load_certificate
from tests.products.edge.fake_portal import eventually

READ = (
    "from pathlib import Path; from products.edge.tls import load_certificate;"
    "load_certificate(Path({!r}))"
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
        load_certificate(tmp_path / "one.test.pem")


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
        load_certificate(tmp_path / "one.test.pem")


class Loader:
    """Loads certificates, and notes which; fails while it has an `error`."""

    def __init__(self):
        self.loads = []
        self.error = None

    def __call__(self, path):
        self.loads.append(path.name)
        if self.error:
            raise self.error
        return load_certificate(path)

    def take(self):
        loads, self.loads = self.loads, []
        return loads


@pytest.fixture
def load():
    return Loader()


@pytest.fixture
def certificates(tmp_path, load):
    """A folder with a valid and a faulty certificate, both read."""
    folder = CertificateFolder(tmp_path, load)
    write(tmp_path / "good.test.pem")
    (tmp_path / "broken.test.pem").write_text("not a certificate")
    folder.refresh()
    load.take()
    return folder


def write(path):
    """Replace a certificate by a new one."""
    leaf = trustme.CA().issue_cert(path.stem)
    leaf.private_key_and_cert_chain_pem.write_to_path(str(path))


def test_a_certificate_is_loaded_once_until_it_changes(tmp_path, load, certificates):
    first = certificates.loaded["good.test"]
    certificates.refresh()
    assert "good.test.pem" not in load.take()

    write(tmp_path / "good.test.pem")
    certificates.refresh()

    assert certificates.loaded["good.test"] is not first


def test_a_faulty_certificate_is_logged_once_for_each_change(
    tmp_path, certificates, caplog
):
    caplog.clear()
    certificates.refresh()
    assert not caplog.messages

    (tmp_path / "broken.test.pem").write_text("still not a certificate")
    certificates.refresh()
    certificates.refresh()
    assert ["is not used" in one for one in caplog.messages] == [True]

    caplog.clear()
    write(tmp_path / "broken.test.pem")
    certificates.refresh()
    certificates.refresh()
    assert caplog.messages == [f"{tmp_path / 'broken.test.pem'} is used again."]


def test_a_certificate_that_becomes_faulty_keeps_what_it_held(tmp_path, certificates):
    before = certificates.loaded["good.test"]

    (tmp_path / "good.test.pem").write_text("not a certificate")
    certificates.refresh()

    assert certificates.loaded["good.test"] is before
    assert "good.test" in certificates.faults


def test_a_certificate_is_loaded_once_a_fault_has_passed(
    tmp_path, load, certificates, caplog
):
    write(tmp_path / "good.test.pem")
    load.error = OSError("Too many open files")
    caplog.clear()
    certificates.refresh()
    certificates.refresh()
    assert ["good.test" in one for one in caplog.messages].count(True) == 1

    before, load.error = certificates.loaded["good.test"], None
    certificates.refresh()

    assert certificates.loaded["good.test"] is not before


def test_a_certificate_is_loaded_when_its_permissions_change(
    tmp_path, load, certificates
):
    (tmp_path / "good.test.pem").chmod(0o400)
    certificates.refresh()

    assert "good.test.pem" in load.take()


def test_a_link_to_nothing_is_logged_once(tmp_path, certificates, caplog):
    (tmp_path / "link.test.pem").symlink_to("nothing")
    caplog.clear()
    certificates.refresh()
    certificates.refresh()

    assert ["is not used" in one for one in caplog.messages] == [True]


def test_a_removed_certificate_is_forgotten(tmp_path, certificates, caplog):
    (tmp_path / "good.test.pem").unlink()
    (tmp_path / "broken.test.pem").unlink()
    caplog.clear()
    certificates.refresh()

    assert not certificates.loaded
    assert not certificates.faults
    assert not caplog.messages


def test_a_folder_that_cannot_be_read_changes_nothing(tmp_path, certificates, caplog):
    caplog.clear()
    tmp_path.rename(tmp_path.with_name("moved"))
    certificates.refresh()
    certificates.refresh()
    assert ["is not used" in one for one in caplog.messages] == [True]
    assert list(certificates.loaded) == ["good.test"]
