"""Port to what keeps the master key, which wraps all other keys: a file here, a key service elsewhere."""

from typing import Protocol

from windvane.cluster.errors import Unavailable


class Kms(Protocol):
    """Wraps keys so that they may be stored; quick enough to be called for a subject that is seen for the first time.

    A key service across a network is asked once, at the start, for a key that then does this here.
    """

    def wrap(self, key: bytes, context: bytes) -> bytes:
        """The key, encrypted for `context` and for nothing else."""

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """The key again; raises WrongKey for another context, another master key or changed bytes."""


class WrongKey(Unavailable):
    """A stored key cannot be unwrapped: most likely the master key is not the one it was wrapped with."""

    title = "Wrong master key"
