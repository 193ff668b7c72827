import numpy as np
import pytest

from windvane.configs.schema import Action, DecisionRule
from windvane.serve_apps.versions.reasons.target import Goal, goal_of
from windvane.serve_apps.versions.thresholds import Thresholds

RULE = DecisionRule(
    actions=(
        Action(name="decline", at_least=0.5, adverse=True),
        Action(name="approve", at_least=0.0),
        Action(name="refer", at_least=0.2),
    )
)


def test_the_goal_is_what_is_not_adverse_or_the_one_aimed_at() -> None:
    assert goal_of(RULE) == Goal(frozenset({"approve", "refer"}), 0.0, 0.5)
    assert goal_of(RULE, "approve") == Goal(frozenset({"approve"}), 0.0, 0.2)
    assert goal_of(RULE, "refer") == Goal(frozenset({"refer"}), 0.2, 0.5)
    assert goal_of(RULE, "decline") == Goal(frozenset({"decline"}), 0.5, np.inf)
    with pytest.raises(KeyError, match="aprove"):
        goal_of(RULE, "aprove")


def test_where_low_scores_are_adverse_the_goal_lies_above() -> None:
    actions = (Action(name="refuse", at_least=0.0, adverse=True), Action(name="grant", at_least=0.7))
    assert goal_of(DecisionRule(actions=actions)) == Goal(frozenset({"grant"}), 0.7, np.inf)


@pytest.mark.parametrize("aim", [None, "approve", "refer", "decline"])
def test_nothing_is_missed_exactly_where_the_ruling_is_a_wanted_action(aim: str | None) -> None:
    goal = goal_of(RULE, aim)
    edges = np.array([0.0, 0.2, 0.5, 1.0])
    scores = np.unique(np.clip([*edges, *np.nextafter(edges, 0.0), *np.nextafter(edges, 1.0)], 0.0, 1.0))
    wanted = [action in goal.actions for action, _ in Thresholds(RULE).rule(scores.tolist())]
    assert (goal.missed(scores) == 0.0).tolist() == wanted


def test_what_misses_the_goal_is_counted_in_log_odds() -> None:
    missed = goal_of(RULE, "refer").missed(np.array([0.1, 0.3, 0.75]))
    assert missed == pytest.approx([np.log(0.25) - np.log(1 / 9), 0.0, np.log(3.0)])
