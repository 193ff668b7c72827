"""Base of every part of a declaration: the record, the names it may hold, and faults with a path."""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict
from pydantic_core import PydanticCustomError

NAME = r"^[a-z][a-z0-9-]{0,62}$"
# A letter or digit of any script first; no quotes, brackets or slashes, which columns and pointers are written with.
COLUMN = r"^\w[\w .()%#&+-]{0,126}$"


class Declared(BaseModel):
    """Base of everything a YAML can say: frozen, no unknown fields, no silent coercion of text."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def wrong(what: str, *path: str | int, nearest: str | None = None) -> PydanticCustomError:
    """A fault at `path` below the record that is being validated, so that a complaint can name the very field."""
    return PydanticCustomError("declaration", "{what}", {"what": what, "path": path, "nearest": nearest})


def repeated(values: Sequence[object]) -> int | None:
    """The position of the first value that stood before.

    >>> repeated(["a", "b", "a"]), repeated(["a", "b"])
    (2, None)
    """
    return next((i for i, value in enumerate(values) if value in values[:i]), None)
