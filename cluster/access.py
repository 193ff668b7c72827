"""The owner's token: made once, kept readable by its owner only, compared in constant time."""

import hashlib
import hmac
import os
import secrets
from pathlib import Path

TOKEN_FILE = "token"  # noqa: S105  a file name
DIGEST_FILE = "token.sha256"


def ensure_token(home: Path) -> str:
    """The token of this Windvane, made at first use with mode 0600; its digest lies beside it for the servers."""
    token = ensure_secret(home / TOKEN_FILE)
    _write_digest(home / DIGEST_FILE, digest(token))
    return token


def ensure_secret(path: Path) -> str:
    """The random secret in that file, made at first use with mode 0600."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text().strip()
    secret = secrets.token_hex(32)
    with os.fdopen(descriptor, "w") as file:
        file.write(secret)
    return secret


def bearer(file: Path) -> dict[str, str]:
    """The header that shows the secret in that file; none when there is no such file."""
    return {"authorization": f"Bearer {file.read_text().strip()}"} if file.exists() else {}


def read_digest(home: Path) -> str | None:
    """The digest the servers compare with; None when no token was made, and then nobody is the owner."""
    try:
        return (home / DIGEST_FILE).read_text().strip() or None
    except FileNotFoundError:
        return None


def digest(token: str) -> str:
    """SHA-256 of a token, hexadecimal.

    >>> digest("a")[:8]
    'ca978112'
    """
    return hashlib.sha256(token.encode()).hexdigest()


def is_owner(authorization: str | None, expected_digest: str | None) -> bool:
    """Whether an `Authorization` header carries the owner's token; always False without a digest.

    >>> is_owner("Bearer a", digest("a")), is_owner("Bearer b", digest("a")), is_owner("Bearer a", None)
    (True, False, False)
    """
    if authorization is None or expected_digest is None:
        return False
    scheme, _, token = authorization.partition(" ")
    return scheme.lower() == "bearer" and hmac.compare_digest(digest(token.strip()), expected_digest)


def _write_digest(path: Path, text: str) -> None:
    if path.exists() and path.read_text().strip() == text:
        return
    fresh = path.with_suffix(".new")
    fresh.write_text(text + "\n")
    fresh.replace(path)
