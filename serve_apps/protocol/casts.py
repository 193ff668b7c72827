"""Lossless casts: values that clients write in another JSON type than the declared one, and that mean exactly one."""

from windvane.serve_apps.protocol.strict_json import Tree

LARGEST_INTEGER = 2**53  # beyond it neighbours look alike to float64


def whole(value: Tree) -> int | None:
    """The integer that a number or a boolean is, or None.

    >>> whole(3.0), whole(True), whole(3.5), whole("3")
    (3, 1, None, None)
    """
    if isinstance(value, int):
        return int(value)
    return int(value) if isinstance(value, float) and value.is_integer() else None


def truth(value: Tree) -> bool | None:
    """The boolean that true, false, 1 or 0 is, or None.

    >>> truth(1), truth(0.0), truth(2), truth("true")
    (True, False, None, None)
    """
    return value == 1 if isinstance(value, bool | int | float) and value in (0, 1) else None


def text(value: Tree) -> Tree:
    """The text of a whole number, in digits; anything else as it is.

    >>> text(7), text(7.0), text("7"), text(7.5), text(True)
    ('7', '7', '7', 7.5, True)
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    number = whole(value)
    exact = number is not None and (isinstance(value, int) or abs(number) <= LARGEST_INTEGER)
    return str(number) if exact else value
