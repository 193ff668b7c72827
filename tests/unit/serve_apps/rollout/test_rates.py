"""Whole rollouts with all guardrails and a look at every step: who is taken back, and who is promoted."""

from tests.worlds.rollout.simulation import WORLDS, rates

BACK = {"rolled_back", "unproven", "aborted"}


def test_what_is_identical_is_not_taken_back() -> None:
    """Both miss the latency objective, fail one request in 100, and the machine is busy now and then."""
    assert not BACK & set(rates(WORLDS["identical"], 20))
    assert not BACK & set(rates(WORLDS["identical, rare"], 10))


def test_what_is_worse_by_the_margin_is_not_promoted() -> None:
    assert set(rates(WORLDS["worse by the margin"], 20)) <= {"shadow", "rolled_back"}
    assert set(rates(WORLDS["worse by the margin, rare"], 10)) <= {"shadow", "rolled_back"}


def test_what_is_much_better_is_promoted_and_what_is_much_worse_is_taken_back() -> None:
    better = rates(WORLDS["much better"], 10)
    assert better.get("done", 0.0) >= 0.8
    assert not BACK & set(better)
    assert rates(WORLDS["much worse"], 10) == {"rolled_back": 1.0}
