"""A DNS server on loopback that answers TXT queries over UDP."""

import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

import dns.flags
import dns.message
import dns.rcode
import dns.rrset


class NameServer:
    """Answers with the records it was given; a name without records does not exist."""

    def __init__(self, records: Mapping[str, list[str]] | None = None) -> None:
        self.records: dict[str, list[str]] = dict(records or {})
        self.is_silent = False
        self.asked: list[str] = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))

    @property
    def address(self) -> tuple[str, int]:
        """Return the address and the port."""
        address, port = self._socket.getsockname()
        return address, port

    def serve(self) -> None:
        """Answer until the socket is closed."""
        with suppress(OSError):
            while True:
                data, client = self._socket.recvfrom(4096)
                if not data:  # after `shutdown`
                    return
                answer = self._answer(data)
                if answer is not None:
                    self._socket.sendto(answer, client)

    def close(self) -> None:
        """Stop serving; a thread in `recvfrom` returns only after `shutdown`."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _answer(self, data: bytes) -> bytes | None:
        query = dns.message.from_wire(data)
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True)
        self.asked.append(name)
        if self.is_silent:
            return None
        response = dns.message.make_response(query)
        response.flags |= dns.flags.RA
        values = self.records.get(name)
        if values is None:
            response.set_rcode(dns.rcode.NXDOMAIN)
        elif values:
            quoted = [
                " ".join(f'"{part}"' for part in _strings(each)) for each in values
            ]
            response.answer.append(
                dns.rrset.from_text_list(question.name, 60, "IN", "TXT", quoted)
            )
        return response.to_wire()


def _strings(value: str) -> list[str]:
    """Split a value as long records are split: into strings of at most 20 characters here."""
    return [value[start : start + 20] for start in range(0, len(value), 20)]


@contextmanager
def name_server(records: Mapping[str, list[str]] | None = None) -> Iterator[NameServer]:
    """Run a name server in a thread."""
    server = NameServer(records)
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.close()
        thread.join(5)
