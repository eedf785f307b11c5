"""The edge's own answers: short, plain, and always the last on their connection."""

from http import HTTPStatus


class StartupError(Exception):
    """The edge cannot start; the message says why."""


class ErrorResponse(Exception):
    """The request gets this answer from the edge itself.

    `headers` are whole field lines without their line ends.
    """

    def __init__(
        self, status: HTTPStatus, sentence: str, headers: tuple[str, ...] = ()
    ) -> None:
        """Keep the answer until somebody writes it."""
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence
        self.headers = headers

    def to_bytes(self, *, with_body: bool = True) -> bytes:
        """Give the whole answer as it goes over the wire."""
        body = (self.sentence + "\n").encode()
        lines = (
            f"HTTP/1.1 {self.status.value} {self.status.phrase}",
            "Content-Type: text/plain; charset=utf-8",
            f"Content-Length: {len(body)}",
            "Cache-Control: no-store",
            "X-Content-Type-Options: nosniff",
            *self.headers,
            "Connection: close",
        )
        head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
        return head + body if with_body else head


def no_answer() -> ErrorResponse:
    """Give the answer to a client whose origin took too long."""
    return ErrorResponse(
        HTTPStatus.GATEWAY_TIMEOUT, "The origin did not answer in time."
    )


def malformed(sentence: str) -> ErrorResponse:
    """Give the answer to a request that is not well-formed."""
    return ErrorResponse(HTTPStatus.BAD_REQUEST, sentence)
