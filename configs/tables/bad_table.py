"""The one error for rows that cannot be used as they are."""


class BadTable(Exception):
    """Rows cannot be read or do not hold to their declaration; the text says what, where, and what to do.

    It never repeats a cell: what a cell looks like is told by its shape, since messages end in logs and events.
    """

    def __init__(self, what: str, absent: bool = False) -> None:
        super().__init__(what)
        self.absent = absent  # there is nothing at that place at all


def shape(text: str) -> str:
    """Shape of a text, without what it says.

    >>> shape("1.234,50 €"), shape("n/a"), shape("Maria Meier, 12 Main Street")
    ('9.999,99 €', 'a/a', 'Aaaaa Aaaaa, 99 Aaaa Aa…')
    """
    shown = text if len(text) <= 24 else text[:23] + "…"
    return "".join(_masked(letter) for letter in shown)


def _masked(letter: str) -> str:
    if letter.isdecimal():
        return "9"
    if letter.isalpha():
        return "A" if letter.isupper() else "a"
    return letter if letter.isprintable() else " "
