"""The master key in a file: AES-256-GCM (NIST SP 800-38D) under 256 bits that only their owner may read."""

import os
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from windvane.cluster.decision_log.vault.key_file import master_key
from windvane.cluster.decision_log.vault.kms import WrongKey

_NONCE_BYTES = 12


class FileKms:
    """Nonces are 96 random bits: SP 800-38D section 8.3 allows 2^32 keys wrapped under one master key."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._cipher = AESGCM(master_key(path))

    def wrap(self, key: bytes, context: bytes) -> bytes:
        """The key, encrypted for `context` and for nothing else."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, key, context)

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """The key again; raises WrongKey for another context, another master key or changed bytes."""
        try:
            return self._cipher.decrypt(wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:], context)
        except (InvalidTag, ValueError) as error:
            raise WrongKey(
                f"a key of the vault was not wrapped with {self._path}: restore that file, or run `windvane privacy "
                "rotate-key` again where it was interrupted"
            ) from error
