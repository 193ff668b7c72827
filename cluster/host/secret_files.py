"""Secrets in files: made once, kept readable by their owner only, shown as a bearer."""

import os
import secrets
from collections.abc import Callable
from pathlib import Path

from windvane.cluster.errors import Forbidden, Invalid


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
    """Secret in the file; None when there is no file, Forbidden when it is somebody else's."""
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
