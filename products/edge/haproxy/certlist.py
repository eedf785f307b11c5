"""TLS towards clients: the certificates that HAProxy can read, in a list of its own."""

import hashlib
import logging
import re
import ssl
from dataclasses import dataclass
from pathlib import Path

from products.edge.files import atomic_write

log = logging.getLogger(__name__)

LIST = "certificates.list"
_DEFAULT = "default"
_SPEAKABLE = re.compile(r"[A-Za-z0-9._/@+-]+")  # in a line that knows no quoting


@dataclass(frozen=True, slots=True)
class CertificateList:
    """What the list is of, to see when it changes."""

    digest: str
    has_default: bool


def write_list(folder: Path, target: Path) -> CertificateList:
    """List the sound `DOMAIN.pem` files of a folder, `default.pem` first. Raises OSError.

    One faulty file must not keep HAProxy from taking all others.
    """
    sound = []
    digest = hashlib.sha256()
    for path in sorted(
        folder.glob("*.pem"), key=lambda one: (one.stem != _DEFAULT, one)
    ):
        data = path.read_bytes()
        if not _SPEAKABLE.fullmatch(str(path.resolve())) or not _is_sound(path):
            log.warning("The certificate %s is not taken.", path.name)
            continue
        sound.append(path)
        digest.update(hashlib.sha256(data).digest())
    lines = "".join(f"{path.resolve()}\n" for path in sound)
    if not (target / LIST).exists() or (target / LIST).read_text() != lines:
        atomic_write(target / LIST, lines.encode())
    has_default = any(path.stem == _DEFAULT for path in sound)
    return CertificateList(digest.hexdigest(), has_default)


def _is_sound(path: Path) -> bool:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(path)
    except OSError:  # ssl.SSLError is one, too
        return False
    return True
