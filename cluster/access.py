"""The owner's token: made once, kept readable by its owner only, compared in constant time."""

import hashlib
import hmac
import os
import secrets
from collections.abc import Callable
from pathlib import Path

from cluster.errors import Forbidden, Invalid

TOKEN_FILE = "token"  # noqa: S105  a file name
DIGEST_FILE = "token.sha256"


def ensure_token(home: Path) -> str:
    """The token of this Windvane, made at first use with mode 0600; its digest lies beside it for the servers."""
    token = ensure_secret(home / TOKEN_FILE)
    _write_digest(home / DIGEST_FILE, digest(token))
    return token


def ensure_secret(path: Path, make: Callable[[], str] = lambda: secrets.token_hex(32)) -> str:
    """The random secret in that file, made at first use with mode 0600."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        _write_once(path, make())
    secret = read_secret(path)
    if not secret:
        raise Invalid(f"{path} is empty, and an empty secret would let everybody in: remove it and start again.")
    return secret


def read_secret(path: Path) -> str | None:
    """What the file says; None when there is no file, Forbidden when it is somebody else's."""
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        return None
    except PermissionError as error:
        raise Forbidden(
            f"{path} may not be read by this user: ask its owner, or choose another WINDVANE_HOME."
        ) from error


def bearer(file: Path) -> dict[str, str]:
    """The header that shows the secret in that file; none when there is no such file."""
    secret = read_secret(file)
    return {"authorization": f"Bearer {secret}"} if secret else {}


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
    token = token.strip()
    return scheme.lower() == "bearer" and token != "" and hmac.compare_digest(digest(token), expected_digest)


def _write_once(path: Path, text: str) -> None:
    """Whole or not at all, readable by its owner only; who comes second leaves the first one's."""
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    try:
        os.link(fresh, path)
    except FileExistsError:
        return
    finally:
        fresh.unlink()


def _write_digest(path: Path, text: str) -> None:
    if path.exists() and path.read_text().strip() == text:
        return
    fresh = path.with_suffix(".new")
    fresh.write_text(text + "\n")
    fresh.replace(path)
