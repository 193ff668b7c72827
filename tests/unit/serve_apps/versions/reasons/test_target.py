import numpy as np
import pytest

from windvane.configs.schema import Action, DecisionRule
from windvane.serve_apps.versions.reasons.target import TargetScores, target_scores_of
from windvane.serve_apps.versions.thresholds import Thresholds

RULE = DecisionRule(
    actions=(
        Action(name="decline", at_least=0.5, adverse=True),
        Action(name="approve", at_least=0.0),
        Action(name="refer", at_least=0.2),
    )
)


def test_the_target_is_what_is_not_adverse_or_the_one_aimed_at() -> None:
    assert target_scores_of(RULE) == TargetScores(frozenset({"approve", "refer"}), 0.0, 0.5)
    assert target_scores_of(RULE, "approve") == TargetScores(frozenset({"approve"}), 0.0, 0.2)
    assert target_scores_of(RULE, "refer") == TargetScores(frozenset({"refer"}), 0.2, 0.5)
    assert target_scores_of(RULE, "decline") == TargetScores(frozenset({"decline"}), 0.5, np.inf)
    with pytest.raises(KeyError, match="aprove"):
        target_scores_of(RULE, "aprove")


def test_where_low_scores_are_adverse_the_target_lies_above() -> None:
    actions = (Action(name="refuse", at_least=0.0, adverse=True), Action(name="grant", at_least=0.7))
    assert target_scores_of(DecisionRule(actions=actions)) == TargetScores(frozenset({"grant"}), 0.7, np.inf)


@pytest.mark.parametrize("aim", [None, "approve", "refer", "decline"])
def test_nothing_is_missed_exactly_where_the_ruling_is_a_wanted_action(aim: str | None) -> None:
    target = target_scores_of(RULE, aim)
    edges = np.array([0.0, 0.2, 0.5, 1.0])
    scores = np.unique(np.clip([*edges, *np.nextafter(edges, 0.0), *np.nextafter(edges, 1.0)], 0.0, 1.0))
    wanted = [action in target.actions for action, _ in Thresholds(RULE).rule(scores.tolist())]
    assert (target.missed(scores) == 0.0).tolist() == wanted


def test_what_misses_the_target_is_counted_in_log_odds() -> None:
    missed = target_scores_of(RULE, "refer").missed(np.array([0.1, 0.3, 0.75]))
    assert missed == pytest.approx([np.log(0.25) - np.log(1 / 9), 0.0, np.log(3.0)])
