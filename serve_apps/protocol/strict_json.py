"""Reads JSON the strict way: no repeated keys, no NaN, no depth bomb, and a sentence for whatever is refused.

The endpoints decode with typed msgspec decoders; this reader is for what those refuse, and for what they cannot see.
"""

import json
import math
from codecs import BOM_UTF8
from collections.abc import Iterable
from functools import reduce
from typing import Any, NoReturn, TypeAlias

from windvane.cluster.errors import Malformed

Tree: TypeAlias = Any  # what json.loads gives: dict, list, str, int, float, bool, None
DEEPEST = 100  # levels; how many Python itself reads goes from 1,000 to some 10,000 with its version
LONGEST_INTEGER = 400  # digits; more than any float64 has, so it is read as infinite


def parse(body: bytes, nan_is_null: bool = False) -> Tree:
    """The document, numbers beyond float64 as ±inf for the caller to point at; raises Malformed.

    A byte order mark, which some clients write, is passed over, as RFC 8259 lets readers do. NaN is no JSON and what
    Python's own encoder writes for a missing number: `nan_is_null` reads it as one.

    >>> parse(b'{"a": [1, 2.5, null]}')
    {'a': [1, 2.5, None]}
    """
    if not body.removeprefix(BOM_UTF8).strip():
        raise Malformed("The body is empty: send a JSON object")
    try:
        text = body.removeprefix(BOM_UTF8).decode()
    except UnicodeDecodeError as error:
        raise Malformed(f"The body is not UTF-8: {error.reason} at byte {error.start}") from error
    try:
        tree = json.loads(
            text,
            object_pairs_hook=_distinct,
            parse_constant=_missing if nan_is_null else _refuse_constant,
            parse_int=_integer,
            parse_float=float,
        )
    except RecursionError as error:
        raise too_deep() from error
    except json.JSONDecodeError as error:
        raise Malformed(f"The body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}") from error
    if text.count("[") + text.count("{") > DEEPEST:
        _refuse_depth(tree)
    return tree


def too_deep() -> Malformed:
    """The error of a document with more levels than anybody who walks it has frames for."""
    return Malformed("The body nests too deep: a request needs four levels")


def pointer(parent: str, key: str | int) -> str:
    """The JSON pointer (RFC 6901) of a member.

    >>> pointer("/instances/3/features", "a/b~c")
    '/instances/3/features/a~1b~0c'
    """
    return f"{parent}/{str(key).replace('~', '~0').replace('/', '~1')}"


def pointer_to(path: Iterable[str | int]) -> str:
    """The JSON pointer of a whole path; halves of surrogate pairs are spelled out, since no encoder accepts them.

    >>> pointer_to(("features", 3, "a/b"))
    '/features/3/a~1b'
    """
    return reduce(pointer, path, "").encode("utf-8", "backslashreplace").decode()


def printable(text: str) -> bool:
    """Whether the text is real Unicode: JSON can spell half of a surrogate pair, which no encoder accepts.

    >>> printable("é"), printable("\\ud800")
    (True, False)
    """
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)


def _refuse_depth(tree: Tree) -> None:
    level = [tree]
    for _ in range(DEEPEST + 1):
        level = [
            child
            for each in level
            for child in (each.values() if isinstance(each, dict) else each if isinstance(each, list) else ())
        ]
        if not level:
            return
    raise too_deep()


def _distinct(pairs: list[tuple[str, Tree]]) -> dict[str, Tree]:
    members = dict(pairs)
    if len(members) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise Malformed(f"The key {key!a} stands twice in one object: send it once")
            seen.add(key)
    return members


def _refuse_constant(name: str) -> NoReturn:
    raise Malformed(f"{name} is not JSON: leave the value out, or send null where it may be missing")


def _missing(name: str) -> None:
    if name != "NaN":
        _refuse_constant(name)


def _integer(digits: str) -> int | float:
    if len(digits) > LONGEST_INTEGER:
        return -math.inf if digits.startswith("-") else math.inf
    return int(digits)
