"""Ray's gRPC context, as one that remembers what was set."""

from grpc import StatusCode as Code


class FakeContext:
    """One call: who makes it, with which metadata; remembers the status."""

    def __init__(self, peer: str = "ipv4:127.0.0.1:40312", **metadata: str) -> None:
        self._peer = peer
        self._metadata = tuple((name.replace("_", "-"), value) for name, value in metadata.items())
        self.code: Code | None = None
        self.details = ""
        self.trailing: list[tuple[str, str]] = []

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        return self._metadata

    def peer(self) -> str:
        return self._peer

    def set_code(self, code: Code) -> None:
        self.code = code

    def set_details(self, details: str) -> None:
        self.details = details

    def set_trailing_metadata(self, trailing_metadata: list[tuple[str, str]]) -> None:
        self.trailing = trailing_metadata
