"""The HTTP API of a Ray dashboard: jobs and Serve applications are asked for here, with our token."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from windvane.cluster.errors import Forbidden, Unavailable
from windvane.cluster.host.secret_files import bearer

TIMEOUT_SECONDS = 60.0


class Dashboard:
    """One dashboard, such as http://127.0.0.1:8265."""

    def __init__(self, url: str, token_file: Path, transport: httpx.BaseTransport | None = None) -> None:
        self._url = url
        self._token_file = token_file
        headers = bearer(token_file)
        self._http = httpx.Client(
            base_url=url, headers=headers, timeout=TIMEOUT_SECONDS, trust_env=False, transport=transport
        )

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> httpx.Response:
        """Its reply, whatever the status; Unavailable when nobody answers, Forbidden when our token is not taken."""
        try:
            reply = self._http.request(method, path, json=body)
        except httpx.HTTPError as error:
            raise Unavailable(
                f"The Ray dashboard at {self._url} does not answer ({error}); is the cluster up? `windvane status`",
                retry_after_seconds=5.0,
            ) from error
        if reply.status_code in (401, 403):
            raise Forbidden(
                f"The Ray dashboard at {self._url} does not take the token in {self._token_file}; "
                "name the right file with RAY_AUTH_TOKEN_PATH."
            )
        return reply

    def close(self) -> None:
        """Let go of its connections."""
        self._http.close()

    def document(self, reply: httpx.Response) -> dict[str, Any]:
        """The JSON object of a reply with status 200; Unavailable for anything else."""
        if reply.status_code != 200:
            raise Unavailable(f"The Ray dashboard at {self._url} refused: {reply.status_code} {last_lines(reply.text)}")
        try:
            body = reply.json()
        except ValueError:
            body = None
        if not isinstance(body, dict):
            raise Unavailable(f"What answers at {self._url} is not a Ray dashboard: it sent {reply.text[:80]!r}")
        return body


def last_lines(text: str, lines: int = 1) -> str:
    """The end of a text: Ray sends whole tracebacks, and their last line says what is wrong.

    >>> last_lines("Traceback\\n  in f\\nValueError: no such thing\\n")
    'ValueError: no such thing'
    """
    return "\n".join(text.strip().splitlines()[-lines:])[-1000:]
