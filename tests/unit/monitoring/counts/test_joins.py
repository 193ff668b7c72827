"""Decisions, shadow scores and outcomes find each other in whatever order the log shows them."""

from itertools import permutations

import msgspec

from windvane.cluster.decision_log.record import DENIED, Brief, Decision, Outcome, Record, Shadow
from windvane.monitoring.counts.joins import Joined, Joins


def decision(key: str, score: float = 0.3, version: int = 2, at: float = 100.0, event_time: float = 15.0) -> Decision:
    return Decision(key, at, event_time, version, "champion", 1, "N1", 7, (), score, "hold")


def shadow(keys: tuple[str, ...], scores: tuple[float, ...], version: int = 1) -> Shadow:
    return Shadow(100.0, version, keys, scores)


def outcome(key: str, label: bool | None = True) -> Outcome:
    return Outcome(key, 200.0, label)


def read(joins: Joins, *records: Record) -> Joined:
    total = Joined()
    for record in records:
        joined = joins.read([record])
        total.scored += joined.scored
        total.labelled += joined.labelled
        total.answered += joined.answered
        total.pairs += joined.pairs
        total.taken_back += joined.taken_back
    return total


def test_any_order_makes_the_same_known() -> None:
    records: list[Record] = [decision("a"), shadow(("a",), (0.6,)), outcome("a")]
    for order in permutations(records):
        joined = read(Joins(10.0), *order)
        assert sorted(joined.scored) == [(1, 1), (2, 1)]
        assert sorted(joined.labelled) == [(1, 1, 0.6, True), (2, 1, 0.3, True)]
        assert joined.answered == [(1, 0.3, True)]
        assert [pair for pair in joined.pairs if pair[5] == 1] == [(1, 2, 100.0, 0.6, 0.3, 1)]
        assert [pair for pair in joined.pairs if pair[5] == -1] == [(1, 2, 100.0, 0.6, 0.3, -1)]


def test_a_decision_read_in_brief_joins_as_the_whole_one() -> None:
    brief = msgspec.msgpack.decode(msgspec.msgpack.encode(decision("a")), type=Brief)
    following: list[Record] = [shadow(("a",), (0.6,)), outcome("a")]
    assert Joins(10.0).read([brief, *following]) == Joins(10.0).read([decision("a"), *following])


def test_a_repeated_outcome_changes_nothing() -> None:
    joins = Joins(10.0)
    joined = read(joins, decision("a"), outcome("a", True), outcome("a", True))
    assert joined.labelled == [(2, 1, 0.3, True)]
    assert (joined.taken_back, joins.corrected) == ([], 0)


def test_a_corrected_outcome_takes_the_place_of_the_earlier_one_and_is_counted() -> None:
    joins = Joins(10.0)
    joined = read(joins, decision("a"), shadow(("a",), (0.6,)), outcome("a", True), outcome("a", False))
    assert joined.taken_back == [(1, ((2, 0.3), (1, 0.6)), True)]
    assert joined.labelled[2:] == [(2, 1, 0.3, False), (1, 1, 0.6, False)]
    assert [pair[-1] for pair in joined.pairs] == [-1, 1, 3, 0]
    assert (joins.labelled, joins.corrected) == (1, 1)


def test_the_newest_outcome_counts_when_both_come_before_the_decision() -> None:
    joined = read(Joins(10.0), outcome("a", False), outcome("a", True), decision("a"))
    assert joined.labelled == [(2, 1, 0.3, True)]


def test_outcomes_of_ids_that_were_never_given_out_are_counted() -> None:
    joins = Joins(10.0, recent=2)
    read(joins, *(outcome(key) for key in "abc"), decision("c"))
    assert (joins.unknown, joins.unmatched) == (2, 1)


def test_an_outcome_without_a_label_is_not_the_first() -> None:
    joined = read(Joins(10.0), decision("a"), outcome("a", None), outcome("a", True))
    assert joined.labelled == [(2, 1, 0.3, True)]


def test_a_decision_read_twice_counts_once() -> None:
    joined = read(Joins(10.0), decision("a"), decision("a"), outcome("a"), decision("a"))
    assert joined.scored == [(2, 1)]
    assert len(joined.labelled) == 1


def test_a_shadow_score_read_twice_counts_once() -> None:
    joined = read(Joins(10.0), decision("a"), *[shadow(("a",), (0.6,))] * 2, outcome("a"), shadow(("a",), (0.6,)))
    assert joined.scored.count((1, 1)) == 1
    assert len(joined.labelled) == 2


def test_every_two_versions_make_a_pair() -> None:
    joined = read(Joins(10.0), decision("a"), shadow(("a",), (0.6,), 1), shadow(("a",), (0.7,), 3), outcome("a"))
    assert [pair[:2] for pair in joined.pairs if pair[5] == 1] == [(1, 2), (2, 3), (1, 3)]


def test_the_oldest_waiting_decision_makes_room_and_is_counted() -> None:
    joins = Joins(10.0, waiting=2)
    joined = read(joins, decision("a"), decision("b"), decision("c"), outcome("a"), outcome("b"))
    assert joins.dropped == 1
    assert joins.waiting == 1
    assert len(joined.labelled) == 1


def test_what_never_meets_its_decision_is_forgotten() -> None:
    joins = Joins(10.0, recent=2)
    read(joins, *[outcome(key) for key in "abc"], *[shadow((key,), (0.1,)) for key in "abc"])
    joined = read(joins, decision("a"), decision("c"))
    assert joined.labelled == [(2, 1, 0.3, True), (1, 1, 0.1, True)]
    assert joins.waiting == 1


def test_scores_of_shadows_that_meet_no_decision_are_counted() -> None:
    joins = Joins(10.0, recent=2)
    read(joins, *[shadow((key,), (0.1,)) for key in "abb"], *[shadow((key,), (0.2,), 4) for key in "abc"])
    assert joins.unmatched_scores == 2, "both of a; two keys are kept"
    read(joins, shadow(("d",), (0.1,)))
    assert joins.unmatched_scores == 4, "the second score of one shadow is no other"


def test_many_decisions_of_one_shadow_record_are_scored_each() -> None:
    joined = read(Joins(10.0), decision("a"), decision("b", event_time=25.0), shadow(("a", "b"), (0.6, 0.7)))
    assert joined.scored == [(2, 1), (2, 2), (1, 1), (1, 2)]


def test_what_policy_denied_is_no_decision_whether_read_in_brief_or_whole() -> None:
    whole = [
        Decision("a", 100.0, 15.0, 0, DENIED, 1, "N1", 7, (), None, "", verdict="deny"),
        Decision("b", 100.0, 15.0, 2, DENIED, 1, "N1", 7, (), 0.9, "hold", verdict="deny"),
    ]
    brief = [msgspec.msgpack.decode(msgspec.msgpack.encode(each), type=Brief) for each in whole]
    for records in (whole, brief):
        assert Joins(10.0).read([*records, outcome("a"), outcome("b")]) == Joined()


def test_it_is_told_when_decisions_were_answered_and_when_their_outcome_came() -> None:
    joins = Joins(10.0)
    early = joins.read([outcome("b"), decision("b", at=210.0)])
    assert (early.decided, early.told) == ([210.0], [(210.0, 200.0, True)])
    late = joins.read([decision("a", at=100.0), outcome("a"), outcome("a")])
    assert (late.decided, late.told) == ([100.0], [(100.0, 200.0, True)])
