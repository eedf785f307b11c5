"""Sends what Fastly's Terraform provider sends, and compares what it reads, as its plan does."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlencode

from django.test import Client

REQUESTS = Path(__file__).with_name("terraform.txt")
FORM = "application/x-www-form-urlencoded"
LOG_FORMAT = (
    '{\n  "timestamp": "%{begin:%Y-%m-%dT%H:%M:%S%z}t",\n  "host": "%{Host}i"\n}'
)
EMPTY: tuple[object, ...] = ("", None, 0, "0", False, [], {})
STRAY = {"ServiceID", "ServiceVersion"}
# What the provider does not read, or expects although its user did not set it.
NOT_COMPARED = {
    "capacity", "client_cert", "created_at", "deleted_at", "feature_revision",
    "feature_update_available", "format_version", "hostname", "http_version", "id", "ipv4", "ipv6", "locked", "msg",
    "name", "period", "service_id", "updated_at", "version",
}  # fmt: skip
# The provider never reads the content of a dynamic snippet, so its plan is never empty.
NEVER_READ = {("snippet", "ds", "content")}


@dataclass(frozen=True, slots=True)
class Request:
    """One request: its path is relative to the service, or to the API if it starts with a slash."""

    method: str
    path: str
    fields: Mapping[str, Any]
    is_json: bool

    @property
    def needs_a_new_version(self) -> bool:
        """Whether it changes a part; a comment and products need no new version."""
        return self.path.startswith(("version/2", "/rate-limiters/"))


@dataclass(slots=True)
class Block:
    """The requests for a block of configuration, besides those that every service has."""

    name: str
    create: list[Request] = field(default_factory=list)
    update: list[Request] = field(default_factory=list)


def blocks() -> list[Block]:
    """Return the recorded blocks."""
    found: list[Block] = []
    into: list[Request] = []
    for line in REQUESTS.read_text(encoding="utf-8").splitlines():
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        if not line.startswith(" "):
            found.append(Block(text))
            into = found[-1].create
        elif text == "then":
            into = found[-1].update
        else:
            into.append(_request(text))
    return found


def _request(text: str) -> Request:
    method, path, *rest = text.split(" ", 2)
    body = (rest or [""])[0].replace("…", LOG_FORMAT)
    if body.startswith("{"):
        return Request(method, path, json.loads(body), is_json=True)
    pairs = (each.partition("=") for each in body.split("&") if each)
    fields = {name: unquote(value) for name, _, value in pairs}
    return Request(method, path, fields, is_json=False)


COMMON = tuple(
    _request(text)
    for text in (
        "PUT / ServiceID=S&comment=Managed by Terraform&name=terraform",
        (
            "PUT version/1/settings ServiceID=S&ServiceVersion=1&general.default_host=&general.default_ttl=3600"
            "&general.stale_if_error=false&general.stale_if_error_ttl=43200"
        ),
        "DELETE version/1/http3",
        "POST version/1/domain comment=&name=terraform.example",
        (
            "POST version/1/backend address=127.0.0.1&auto_loadbalance=0&between_bytes_timeout=10000"
            "&connect_timeout=1000&error_threshold=0&first_byte_timeout=15000&healthcheck=&max_conn=200&name=o"
            "&port=80&prefer_ipv6=0&request_condition=&shield=&ssl_check_cert=1&use_ssl=0&weight=100"
        ),
    )
)


class Provider:
    """The provider's side: it sends requests, and remembers what its user configured."""

    def __init__(self, client: Client) -> None:
        """Use a client that sends an API token."""
        self._client = client
        self._objects: dict[tuple[str, str], dict[str, Any]] = {}
        self._version = 1
        made = self._call("POST", "/service", {"name": "terraform", "type": "vcl"})
        self._service = str(made["id"])

    def create(self, block: Block) -> None:
        """Create the service with the block, and activate it."""
        for request in (*COMMON, *block.create):
            self._send(request)
        self._activate()

    def update(self, block: Block) -> None:
        """Change the block; in a clone of the version, which is activated, if it is in a version."""
        versioned = [each for each in block.update if each.needs_a_new_version]
        if versioned:
            self._call("GET", "version/1")
            self._version = self._call("PUT", "version/1/clone")["number"]
        for request in block.update:
            self._send(request)
        if versioned:
            self._activate()

    def plan(self) -> list[str]:
        """Return what a plan would change: nothing, if everything is read as it was set."""
        self._call("GET", "details")
        return [
            f"{kind} {name}: {each}"
            for (kind, name), configured in self._objects.items()
            for each in self._differences(kind, name, configured)
        ]

    def destroy(self) -> None:
        """Deactivate the version and delete the service."""
        self._call("GET", "details")
        self._call("PUT", f"version/{self._version}/deactivate")
        self._call("DELETE", "/service/S")

    def _activate(self) -> None:
        checked = self._call("GET", f"version/{self._version}/validate")
        assert (checked["status"], checked["msg"]) == ("ok", None)
        self._call("PUT", f"version/{self._version}/activate")

    def _send(self, request: Request) -> None:
        path = request.path
        if "{id}" in path:
            listed = self._call("GET", f"version/{self._version}/rate-limiters")
            path = path.replace("{id}", listed[0]["id"])
        if (request.method, path) == ("GET", "version/1/http3"):
            return
        self._call(request.method, path, request.fields, is_json=request.is_json)
        self._remember(request)

    def _remember(self, request: Request) -> None:
        """Keep what the user configured of a part."""
        if "/activate/" in request.path:
            return
        if not request.path.startswith(("version/", "/rate-limiters/")):
            return
        if "/director/" in request.path and "/backend/" in request.path:
            _, _, kind, director, _, backend = request.path.split("/")
            names = self._objects[kind, director].setdefault("backends", [])
            names.append(backend)
            return
        kind, name = self._place(request)
        given = {
            key.removesuffix("[]"): value
            for key, value in request.fields.items()
            if key not in STRAY
        }
        if request.method == "DELETE":
            self._objects.pop((kind, name), None)
        elif kind:
            self._objects.setdefault((kind, name), {}).update(given)

    def _place(self, request: Request) -> tuple[str, str]:
        if request.path.startswith("/rate-limiters/"):
            return "rate-limiters", "rl"
        kind = request.path.split("/", 2)[2] if request.path.count("/") > 1 else ""
        if request.method == "POST":
            return kind, str(request.fields.get("name", ""))
        single = kind in {"", "settings", "http3", "image_optimizer_default_settings"}
        return (kind, "") if single else tuple(kind.rsplit("/", 1))  # type: ignore[return-value]

    def _differences(
        self, kind: str, name: str, configured: Mapping[str, Any]
    ) -> Iterator[str]:
        shown = self._call("GET", f"version/{self._version}/{kind}")
        if isinstance(shown, list):
            shown = next(each for each in shown if each["name"] == name)
        for each, value in configured.items():
            if (kind, name, each) not in NEVER_READ and not same(
                value, shown.get(each)
            ):
                yield f"{each} is {shown.get(each)!r}, not {value!r}"
        for each, value in shown.items():
            known = configured.keys() | NOT_COMPARED
            if (
                each not in known
                and not each.startswith("general.")
                and value not in EMPTY
            ):
                yield f"{each} is {value!r}, and was not set"

    def _call(
        self,
        method: str,
        path: str,
        fields: Mapping[str, Any] | None = None,
        *,
        is_json: bool = False,
    ) -> Any:
        whole = path if path.startswith("/") and path != "/" else f"/service/S/{path}"
        whole = whole.rstrip("/")
        if hasattr(self, "_service"):
            whole = "/".join(
                self._service if each == "S" else each for each in whole.split("/")
            )
        body = json.dumps(fields) if is_json else urlencode(fields or {})
        sort = "application/json" if is_json else FORM
        answer = self._client.generic(method, f"/api{whole}", body, sort)
        assert answer.status_code in {200, 204}, (method, whole, answer.content)
        return answer.json() if answer.content else {}


def same(sent: object, shown: object) -> bool:
    """Tell whether the provider reads what it sent; unset is an empty text, null or no key."""
    if isinstance(shown, Sequence) and not isinstance(shown, str):
        return list(shown) == (sent if isinstance(sent, list) else [sent])
    if sent in ("", "0", 0) and shown in EMPTY:
        return True
    return _plain(sent) == _plain(shown)


def _plain(value: object) -> str:
    return {"true": "1", "false": "0"}.get(str(value).lower(), str(value))
