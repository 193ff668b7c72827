"""Refusals are counted by declared fields and words of ours, so that labels stay few and tell nothing of anybody."""

import pytest

from tests.worlds.gateway.fakes import FakeCounts
from windvane.cluster.errors import Denied, Invalid, Malformed, Problem, TooFast, WindvaneError
from windvane.serve_apps.endpoints.request_counts import RequestCounts


@pytest.mark.parametrize(
    ("error", "causes"),
    [
        (Invalid("wrong", (Problem("/features/n", "…", "range", "n"), Problem("/nope", "…", "unknown_field"))), 2),
        (Invalid("wrong", (Problem("/instances/0/features/n", "…", "range", "n"),) * 100), 1),
        (Invalid("wrong"), (("", "invalid_request"),)),
        (Malformed("no JSON"), (("", "malformed_request"),)),
        (TooFast("slower"), (("", "too_fast"),)),
        (Denied("no", (), "v"), (("", "denied_by_policy"),)),
        (WindvaneError("ours"), (("", "internal_error"),)),
    ],
)
def test_a_refusal_is_counted_once_for_each_field_and_reason(error: WindvaneError, causes: object) -> None:
    counts = FakeCounts()
    RequestCounts(counts).refused(error)
    [found] = counts.refusals
    assert causes in (found, len(found))


def test_what_somebody_sent_is_no_label() -> None:
    counts = FakeCounts()
    unknown = Problem("/features/anna.schmidt@example.org", "is no feature of this model", "unknown_field")
    RequestCounts(counts).answered({0: [Problem("/features/n", "…", "unusual", "n")]}, {1: [unknown]})
    assert (counts.warnings, counts.refusals) == ([(("n", "unusual"),)], [(("", "unknown_field"),)])
