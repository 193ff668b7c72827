"""Purposes that a model's decisions may serve, and what is owed to those they go against."""

from typing import Annotated

from pydantic import Field

from windvane.configs.declared import NAME, Declared
from windvane.configs.quantities import Count, Flag

MOST_REASONS = 4  # more are "not likely to be helpful": 12 CFR 1002.9, official interpretation of (b)(2), 1


class Purpose(Declared):
    """One use of this model's decisions; a caller names it, and any other use is refused."""

    name: Annotated[str, Field(pattern=NAME)]  # as callers name it
    description: str = ""  # what it is, for people
    consent: Flag = True  # whether the subject must have agreed to it


class ExplanationPolicy(Declared):
    """Explanation on record with every decision whose action is `adverse`."""

    reasons: Annotated[Count, Field(le=20)] = MOST_REASONS  # principal reasons given at most, the weightiest first
    # whether the smallest change of the `mutable` features is looked for that would have led to another action
    counterfactual: Flag = False
    aim: str | None = None  # the action a counterfactual must lead to; any that is not adverse without one
    most_changes: Annotated[Count, Field(le=6)] = 3  # features a counterfactual may change together
    search_rows: Annotated[Count, Field(le=100_000)] = 8192  # rows scored at most to find one, about a µs each
