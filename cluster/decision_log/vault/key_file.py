"""Secret keys in files of their own: made once, readable by their owner only, never overwritten."""

import os
import secrets
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from windvane.cluster.decision_log import disk
from windvane.cluster.errors import Forbidden, Invalid, NotFound, Unavailable

MASTER_KEY_BYTES = 32


def signing_key(path: Path) -> Ed25519PrivateKey:
    """The Ed25519 key in that file (PEM), made at first use with its public half beside it as `<name>.pub`."""
    content = made_once(path, _new_signing_key)
    try:
        key = serialization.load_pem_private_key(content, password=None)
    except (ValueError, TypeError) as error:
        raise Invalid(f"{path} holds no key: {error}; restore it") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise Invalid(f"{path} holds no Ed25519 key: name another file, or move this one away for a new key")
    public = path.with_name(f"{path.name}.pub")
    if not public.exists():
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        with _kept(public):
            disk.replace_file(public, key.public_key().public_bytes(serialization.Encoding.PEM, form))
    return key


def public_key(path: Path) -> Ed25519PublicKey:
    """The public key in that PEM file; raises NotFound and Invalid."""
    try:
        key = serialization.load_pem_public_key(path.read_bytes())
    except FileNotFoundError as error:
        raise NotFound(f"there is no public key in {path}: take the one beside the signing key") from error
    except ValueError as error:
        raise Invalid(f"{path} holds no public key: {error}") from error
    if not isinstance(key, Ed25519PublicKey):
        raise Invalid(f"{path} holds no Ed25519 public key")
    return key


def master_key(path: Path) -> bytes:
    """The 256-bit key in that file, made at first use: whoever loses it loses everything that it wraps."""
    key = made_once(path, lambda: secrets.token_bytes(MASTER_KEY_BYTES))
    if len(key) != MASTER_KEY_BYTES:
        raise Invalid(f"{path} holds {len(key)} bytes and not the {MASTER_KEY_BYTES} of a master key: restore it")
    return key


def made_once(path: Path, make: Callable[[], bytes]) -> bytes:
    """Content of the file, made at first use with mode 0600; who comes second reads the first one's.

    Raises Forbidden when others may read it too, or when this user may not; Unavailable when it cannot be made.
    """
    with _kept(path):
        if not path.exists():
            _write_once(path, make())
        if os.access(path.parent, os.W_OK):  # whoever made it may have been killed before its name was synced
            disk.sync_folder(path.parent)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except PermissionError as error:
        raise Forbidden(f"{path} may not be read by this user: ask its owner") from error
    with open(descriptor, "rb") as file:
        if stat.S_IMODE(os.fstat(descriptor).st_mode) & 0o077:
            raise Forbidden(f"{path} holds a secret key that others may read: chmod 600 {path}, and think of a new key")
        return file.read()


@contextmanager
def _kept(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unavailable(f"{path} cannot be kept: {error}; make room, or make its folder writable") from error


def _write_once(path: Path, content: bytes) -> None:
    disk.make_folder(path.parent)
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        disk.write_file(fresh, content, 0o600)
        disk.link(fresh, path)
    except FileExistsError:
        return
    finally:
        disk.remove(fresh)


def _new_signing_key() -> bytes:
    return Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
