"""Holds a batch's numbers to the declared limits, column by column, and to what is usual."""

import math
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from windvane.cluster.errors import Invalid, Problem
from windvane.configs.schema import Feature
from windvane.serve_apps.protocol.features import ValueFault, allowed_range, usual_range, within

Numbers: TypeAlias = NDArray[np.float64]


class Limits:
    """One model's, for blocks [n, F]: a category is its place among the declared ones, or -1; NaN is missing."""

    def __init__(self, features: Sequence[Feature]) -> None:
        self._features = tuple(features)
        self._low, self._high = _bounds([_limits(feature) for feature in features])
        self._usual_low, self._usual_high = _bounds([_limits(feature, usual=True) for feature in features])
        self._required = np.array([not feature.missing for feature in features])
        self._whole = np.array([feature.type != "number" for feature in features])
        self._some_whole = bool(self._whole.any())

    def check(self, sent: NDArray[Any], dtypes: list[np.dtype[Any]]) -> tuple[Numbers, bool, NDArray[np.bool_] | None]:
        """float64[n, F] within the limits, whether anything is missing, and what is not usual; raises Invalid."""
        block = sent.astype(np.float64)
        missing = np.isnan(block)
        suspect = (block < self._usual_low) | (block > self._usual_high)
        holes = bool(missing.any())
        if holes:
            suspect |= missing & self._required
        if self._some_whole:
            suspect |= (block != np.floor(block)) & self._whole & ~missing
        if not suspect.any():
            return block, holes, None
        wrong = (block < self._low) | (block > self._high) | (missing & self._required)
        wrong |= (block != np.floor(block)) & self._whole & ~missing
        if wrong.any():
            self._settle(block, wrong, dtypes)
        unusual = (block < self._usual_low) | (block > self._usual_high)
        for place in np.flatnonzero(unusual.any(axis=0)).tolist():
            unusual[_same(block[:, place], self._usual_low[place], self._usual_high[place], dtypes[place]), place] = (
                False
            )
        return block, holes, unusual if unusual.any() else None

    def _settle(self, block: Numbers, wrong: NDArray[np.bool_], dtypes: list[np.dtype[Any]]) -> None:
        """Take for the limit what the sender's shorter floats cannot tell from it; raises Invalid for the rest."""
        for place in np.flatnonzero(wrong.any(axis=0)).tolist():
            column, feature = block[:, place], self._features[place]
            if feature.type == "number":
                same = _same(column, self._low[place], self._high[place], dtypes[place])
                column[same] = np.clip(column, self._low[place], self._high[place])[same]
                wrong[same, place] = False
            for row in np.flatnonzero(wrong[:, place])[:1].tolist():
                complaint = _complain(feature, float(column[row]))
                sentence = f"Feature {feature.name!a} of row {row} {complaint.sentence}"
                raise refusal(feature.name, complaint.reason, sentence)


def refusal(field: str, reason: str, sentence: str) -> Invalid:
    """The error of a request of tensors, counted under `field` and `reason`."""
    return Invalid(sentence, (Problem("", sentence, reason, field),))


def _bounds(limits: Sequence[tuple[float, float]]) -> tuple[Numbers, Numbers]:
    return np.array([low for low, _ in limits]), np.array([high for _, high in limits])


def _same(column: Numbers, low: float, high: float, dtype: np.dtype[Any]) -> NDArray[np.bool_]:
    """bool[n]: which values beyond a limit are that limit as the sender's shorter floats write it."""
    if dtype.kind != "f" or dtype.itemsize >= 8:
        return np.zeros(len(column), np.bool_)
    with np.errstate(over="ignore"):
        limit = np.clip(column, low, high)
        same: NDArray[np.bool_] = np.isfinite(column) & (limit.astype(dtype) == column.astype(dtype))
    return same


def _limits(feature: Feature, usual: bool = False) -> tuple[float, float]:
    match feature.type:
        case "boolean":
            return 0.0, 1.0
        case "category":
            return 0.0 if usual else -1.0, len(feature.categories) - 1.0
    return usual_range(feature) if usual else allowed_range(feature)


def _complain(feature: Feature, value: float) -> ValueFault:
    if math.isnan(value):
        return ValueFault("missing", f"must not be null; it is a required {feature.type}")
    match feature.type:
        case "boolean":
            return ValueFault("type", "must be 0 or 1")
        case "category":
            last = len(feature.categories) - 1
            sentence = f"must be its place among the declared values, 0 to {last}, or -1 for any other"
            return ValueFault("type", sentence)
        case "integer":
            if not value.is_integer():
                return ValueFault("type", "must be a whole number")
    return within(feature, value) or ValueFault("range", "must lie within limits")
