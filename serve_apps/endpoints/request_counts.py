"""Counts what requests were refused or warned for, by field and reason: words of ours, never what somebody sent."""

from collections.abc import Iterable, Mapping
from typing import Protocol, TypeAlias

from windvane.cluster.errors import Invalid, Problem, WindvaneError

Cause: TypeAlias = tuple[str, str]  # field, empty where it is the request as a whole; reason


class SentCounts(Protocol):
    """Receives the counts."""

    def refused(self, causes: Iterable[Cause], n: int = 1) -> None:
        """Count requests, or instances of one, that were refused, each for all of these causes."""

    def warned(self, causes: Iterable[Cause]) -> None:
        """Count an answered row with values that are not usual."""


class RequestCounts:
    """One per replica, under its HTTP and its gRPC endpoint."""

    def __init__(self, counts: SentCounts) -> None:
        self._counts = counts

    def refused(self, error: WindvaneError) -> None:
        """A request that is not answered."""
        self._counts.refused(causes_of(error))

    def answered(
        self, warnings: Mapping[int, Iterable[Problem]], refused: Mapping[int, Iterable[Problem]] | None = None
    ) -> None:
        """A request that is answered: what is not usual of its rows, and what is wrong with the others."""
        for problems in warnings.values():
            self._counts.warned(_causes(problems))
        for problems in (refused or {}).values():
            self._counts.refused(_causes(problems))


def causes_of(error: WindvaneError) -> tuple[Cause, ...]:
    """The fields that are wrong and why, or the kind of error.

    >>> causes_of(Invalid("wrong", (Problem("/features/n", "…", "range", "n"), Problem("/x", "…", "type"))))
    (('', 'type'), ('n', 'range'))
    >>> causes_of(WindvaneError("…"))
    (('', 'internal_error'),)
    """
    if isinstance(error, Invalid) and error.problems:
        return _causes(error.problems)
    return (("", error.title.lower().replace(" ", "_")),)


def _causes(problems: Iterable[Problem]) -> tuple[Cause, ...]:
    return tuple(sorted({(each.field, each.reason) for each in problems}))
