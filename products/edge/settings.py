"""What an operator can set on an edge, with safe defaults; and the ids of its instances."""

import secrets
import time
from dataclasses import dataclass, replace
from typing import Annotated, Literal

VERSION = "0.1.0"


@dataclass(frozen=True, slots=True)
class Limits:
    """Times and sizes that a connection must keep to. Tests shorten them."""

    head_bytes: int = 16 * 1024  # of a request, and of a response
    head_lines: int = 100  # likewise
    head_seconds: float = 10.0  # for a whole head, from accept; bytes do not reset it
    connect_seconds: float = 5.0  # to the origin, its TLS handshake included
    response_seconds: float = 60.0  # to an ordinary request; a handshake: head_seconds
    quiet_seconds: float = 60.0  # an ordinary request or response without a byte
    early_bytes: int = 64 * 1024  # buffered for a peer that is not ready for them
    idle_seconds: float = 600.0  # a tunnel without a byte in either direction
    half_open_seconds: float = 30.0  # a tunnel without a byte after one side has ended
    linger_seconds: float = 2.0  # reading on after the final response, against RST
    close_seconds: float = 5.0  # a close that cannot flush becomes an abort
    handshakes: int = 4096  # in flight, per process
    handshakes_per_address: int = 1024
    connections: int = 0  # per process; 0 = as many as the file descriptors allow
    # WebSocket connections, per process. One customer must not take a whole edge.
    tunnels_per_account: int = 0  # 0 = half of what the process can have
    tunnels_per_service: int = 0  # 0 = as many as its account
    drain_seconds: float = 30.0  # for open tunnels after SIGTERM
    tick_seconds: float = 5.0  # between two reports of an open connection
    removed_grace_seconds: float = 60.0  # tunnels of a service removed from the table


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One edge: where it listens, which portal it follows, where it writes.

    A field with a text is an option of the command line.
    """

    portal: Annotated[str, "URL of the portal"]
    credential_file: Annotated[str, "file with this edge's secret"]
    data_dir: Annotated[str, "folder of route table, usage and access log"]
    name: Annotated[str, "name of this edge, as in the portal"] = "edge-1"
    bind: Annotated[str, "HOST:PORT to listen on; default port 8080"] = "127.0.0.1"
    port: int = 8080
    tls_certificates: Annotated[str, "folder of DOMAIN.pem files"] = ""
    tls_port: Annotated[int, "with certificates; 0 = any free port"] = 0
    processes: Annotated[int, "worker processes, e.g. one per core"] = 1
    allow_private: Annotated[
        tuple[str, ...], "a private network that origins may be in; can be repeated"
    ] = ()
    ca_file: Annotated[
        str,
        "trust these authorities instead of the public ones; for tests and private"
        " installations",
    ] = ""
    poll_seconds: Annotated[float, "between two requests for the route table"] = 1.0
    report_seconds: Annotated[float, "between two reports of usage"] = 5.0
    store_megabytes: Annotated[
        int, "size of the usage store; when full, new WebSockets get 503"
    ] = 2048
    take_over: Annotated[
        bool, "start beside a running edge of this name and port, then drain that one"
    ] = False
    engine: Annotated[Literal["embedded", "haproxy"], "what carries connections"] = (
        "embedded"
    )
    haproxy: Annotated[str, "HAProxy's program"] = "haproxy"
    haproxy_managed_by: Annotated[
        Literal["agent", "external"],
        "who runs HAProxy: this program, or an external supervisor such as systemd",
    ] = "agent"
    limits: Limits = Limits()

    @property
    def store_bytes(self) -> int:
        """The size of the usage store."""
        return self.store_megabytes * 1024**2


def with_tunnel_limits(limits: Limits, *, capacity: int, processes: int = 1) -> Limits:
    """Return limits with those of tunnels filled in.

    `capacity` is how many tunnels there can be. `processes` says for how many processes the
    limits are: HAProxy counts for all its threads.
    """
    half = max(1, capacity // 2)
    per_account = limits.tunnels_per_account * processes or half
    per_service = limits.tunnels_per_service * processes or per_account
    return replace(
        limits,
        tunnels_per_account=per_account,
        tunnels_per_service=min(per_service, per_account),
    )


def make_instance_id() -> str:
    """Return the id of an instance that starts now; ids sort by time."""
    return f"{time.time_ns() // 1_000_000:012x}{secrets.token_hex(7)}"
