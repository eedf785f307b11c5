"""The list of certificates for HAProxy: the valid ones, each read when it has changed."""

import trustme

from products.edge.haproxy import reconcile
from products.edge.tls import CertificateFolder


def write(path):
    leaf = trustme.CA().issue_cert(path.stem)
    leaf.private_key_and_cert_chain_pem.write_to_path(str(path))


def test_unchanged_certificates_are_not_read_or_logged_again(
    tmp_path, monkeypatch, caplog
):
    loaded = []
    load = reconcile.load_certificate
    monkeypatch.setattr(
        reconcile, "load_certificate", lambda path: loaded.append(load(path))
    )
    write(tmp_path / "one.test.pem")
    write(tmp_path / "default.pem")
    (tmp_path / "broken.test.pem").write_text("not a certificate")
    folder = CertificateFolder(tmp_path, reconcile.read_certificate)

    first = reconcile.write_certificate_list(folder, tmp_path)
    assert len(loaded) == 2
    assert ["broken.test.pem" in one for one in caplog.messages] == [True]

    assert reconcile.write_certificate_list(folder, tmp_path) == first
    assert len(loaded) == 2
    assert len(caplog.messages) == 1


def test_a_faulty_certificate_is_not_listed(tmp_path):
    write(tmp_path / "one.test.pem")
    write(tmp_path / "default.pem")
    folder = CertificateFolder(tmp_path, reconcile.read_certificate)
    before = reconcile.write_certificate_list(folder, tmp_path)

    (tmp_path / "one.test.pem").write_text("not a certificate")
    after = reconcile.write_certificate_list(folder, tmp_path)

    listed = (tmp_path / "certificates.list").read_text()
    assert listed == f"{tmp_path.resolve()}/default.pem\n"
    assert after.has_default
    assert after.digest != before.digest
