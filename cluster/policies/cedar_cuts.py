"""Finds risks that a policy set cannot tell apart: between two numbers it compares with, all are alike. Pure.

Almost every decision has a risk of its own, so a verdict that is remembered for one risk would never be asked for
again. But Cedar has no arithmetic on a risk unless a rule writes it: where every rule uses `context.risk_ppm` only to
compare it with a number (or with the model's own `refer_from_ppm`), a verdict depends on nothing but the outcomes of
those comparisons. They are the same for all risks in one cell: below the first number, at it, between it and the next.
One use of the risk, or of the context as a whole, that is not such a comparison, and nothing is taken to be alike.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass

from cedarpy.pst import BinaryOp, GetAttr, HasAttr, LongLit, Template, Var

from windvane.cluster.policies.policy import WHOLE

RISK, LIMIT = "risk_ppm", "refer_from_ppm"
_COMPARISONS = frozenset({"eq", "not_eq", "less", "less_eq", "greater", "greater_eq"})
_CONTEXT, _THE_RISK = Var("context"), GetAttr(Var("context"), RISK)
_THE_LIMIT = GetAttr(Var("resource"), LIMIT)


def cuts(templates: Iterable[Template]) -> frozenset[int] | None:
    """The numbers that risks are compared with; None when the rules look at the risk in any other way."""
    found: set[int] = set()
    exact = all(_walk(template.clauses, found) for template in templates)
    return frozenset(found) if exact else None


def cell(risk_ppm: int, sorted_cuts: Sequence[int]) -> int:
    """The cell a risk lies in: even numbers between the cuts, odd ones on them.

    >>> [cell(risk, (10, 20)) for risk in (9, 10, 11, 19, 20, 21)]
    [0, 1, 2, 2, 3, 4]
    """
    return bisect_left(sorted_cuts, risk_ppm) + bisect_right(sorted_cuts, risk_ppm)


def bounds(risk_ppm: int, sorted_cuts: Sequence[int]) -> tuple[int, int]:
    """The smallest and the largest risk of its cell, within [0, 1].

    >>> [bounds(risk, (10, 20)) for risk in (9, 10, 11, 21)]
    [(0, 9), (10, 10), (11, 19), (21, 1000000)]
    """
    below, upto = bisect_left(sorted_cuts, risk_ppm), bisect_right(sorted_cuts, risk_ppm)
    if below != upto:
        return risk_ppm, risk_ppm
    low = sorted_cuts[below - 1] + 1 if below else 0
    high = sorted_cuts[below] - 1 if below < len(sorted_cuts) else WHOLE
    return max(low, 0), min(high, WHOLE)


def _walk(node: object, found: set[int]) -> bool:
    """Collect the numbers below `node`; False at the first use that is no comparison."""
    if isinstance(node, BinaryOp) and node.op in _COMPARISONS:
        for one, other in ((node.left, node.right), (node.right, node.left)):
            if one == _THE_RISK and isinstance(other, LongLit):
                found.add(other.value)
                return True
            if one == _THE_RISK and other == _THE_LIMIT:
                return True
    if node in (_CONTEXT, _THE_RISK):
        return False
    if isinstance(node, GetAttr | HasAttr) and node.base == _CONTEXT:
        return True
    if isinstance(node, Mapping):
        return all(_walk(part, found) for part in node.values())
    if isinstance(node, tuple):
        return all(_walk(part, found) for part in node)
    if is_dataclass(node):
        return all(_walk(getattr(node, field.name), found) for field in fields(node))
    return True
