"""The last promotion taken back within its rollback window, whatever was tried since."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.worlds.rollout.walks import START, started, walk
from tests.worlds.rollout.world import MODEL, World, deployed
from windvane.cluster.errors import Conflict
from windvane.serve_apps.rollout.demanded_split import split_of
from windvane.serve_apps.rollout.rollout_record import Predecessor
from windvane.serve_apps.rollout.starting import StartOrder
from windvane.serve_apps.rollout.state_machine import go_back, retire
from windvane.serve_apps.rollout.undo import make_way, predecessor_of, undo
from windvane.serve_apps.traffic.router import Arm

WINDOW = timedelta(hours=24)


def test_undo_returns_to_the_old_champion_while_it_is_warm() -> None:
    done = walk(started(), 5)
    back = undo(done, "ada", "customers complain", START)
    assert (back.phase, split_of(back, ()).arms) == ("rolled_back", (Arm("champion", 2, 1.0),))
    retired = retire(done, START + timedelta(hours=24), timedelta.max)
    assert split_of(retired, ()).versions() == {3}
    with pytest.raises(Conflict, match="start a rollout of v2 instead"):
        undo(retired, "ada", "too late", START)
    with pytest.raises(Conflict, match="v3 is in shadow and not champion yet; `windvane rollout abort m` ends it"):
        undo(started(), "ada", "too early", START)
    with pytest.raises(Conflict, match=r"v3 was taken back before .ada undid it: customers complain., v2 is champion"):
        undo(back, "ada", "once more", START)
    with pytest.raises(Conflict, match="v3 never was champion: its rollout is aborted, v2 kept answering"):
        undo(go_back(started(), "aborted", "wrong day", START), "ada", "but", START)


def test_the_champion_before_stays_loaded_while_the_next_candidate_is_proven() -> None:
    before = predecessor_of(walk(started(), 5), START)
    assert before == Predecessor(2, "7-v3", START + WINDOW)
    proven = replace(started(), candidate=4, champion=3, predecessor=before)
    assert [2 in split_of(walk(proven, phases), ()).warm for phases in range(6)] == [True] * 5 + [False]
    assert split_of(go_back(proven, "aborted", "wrong day", START), ()).warm == (2,)


def test_the_end_of_the_window_begins_no_epoch_while_a_candidate_is_proven() -> None:
    proven = replace(started(), predecessor=Predecessor(1, "3-v2", START - timedelta(seconds=1)))
    assert retire(proven, START) == proven
    assert split_of(proven, ()).warm == (2, 1)
    assert split_of(walk(proven, 1), ()).warm == (2,)
    over = retire(go_back(proven, "aborted", "wrong day", START), START)
    assert (split_of(over, ()).warm, over.revision) == ((), proven.revision + 2)


def test_who_was_champion_before_is_handed_on_until_its_window_is_over() -> None:
    done = walk(started(), 5)
    assert predecessor_of(None, START) is None
    assert predecessor_of(done, START + WINDOW) is None
    assert predecessor_of(replace(done, retired=True), START) is None
    handed_on = replace(started(), predecessor=Predecessor(1, "3-v2", START + WINDOW))
    assert predecessor_of(go_back(handed_on, "unproven", "no requests", START), START) == handed_on.predecessor
    assert predecessor_of(undo(done, "ada", "complaints", START), START) is None, "an undo is not undone"


@pytest.mark.parametrize("phases", [1, 2, 3, 4])
def test_a_candidate_that_answers_requests_is_not_guessed_about(phases: int) -> None:
    proven = walk(replace(started(), predecessor=Predecessor(1, "3-v2", START + WINDOW)), phases)
    with pytest.raises(Conflict, match="v3 answers requests already") as refused:
        make_way(proven, "ada", "complaints", START)
    assert "`windvane rollout abort m` gives everything back to v2" in str(refused.value)
    assert "`windvane rollout undo m` after that takes v2 back too, and v1 answers" in str(refused.value)


def two_promoted_and_a_third_in_shadow(window: str = "600s") -> World:
    made = deployed(plan={"rollback_window": window})
    made.retrained()
    made.until("done")
    made.retrained()
    made.evidence.paired_n = 20
    made.until("shadow")
    return made


def test_undo_ends_a_candidate_in_shadow_and_returns_to_the_champion_before() -> None:
    made = two_promoted_and_a_third_in_shadow()
    assert made.split().warm == (2, 1)
    back = made.controller.undo(MODEL, made.now, "complaints", by="ada")
    assert (back.phase, back.candidate, back.champion, back.undone) == ("rolled_back", 2, 1, True)
    assert back.reason == "ada undid it: complaints; v3, in shadow against it, is aborted"
    assert made.switchboard.newest.arms == (Arm("champion", 1, 1.0),)
    assert made.registry.champion(MODEL) == 1
    standings = [version.standing for version in made.registry.versions(MODEL)]
    assert standings == ["champion", "rolled_back", "aborted"]
    ended = [(event.kind, event.version) for event in made.store.events(MODEL)][-2:]
    assert ended == [("aborted", 3), ("rolled_back", 2)]
    made.tick(0.25)
    assert made.rollout().rolled_back_in_ms == 0.0, "the replicas said so at once"
    made.tick()
    assert made.rollout() == made.tick(), "neither of them is tried again by itself"
    with pytest.raises(Conflict, match=r"v2 was taken back before \(ada undid it: complaints; .*\), v1 is champion"):
        made.controller.undo(MODEL, made.now, "again", by="ada")


def test_what_a_later_retraining_made_is_proven_against_the_champion_that_is_back() -> None:
    made = two_promoted_and_a_third_in_shadow()
    made.controller.undo(MODEL, made.now, "complaints", by="ada")
    fourth = made.retrained()
    made.evidence.paired_n = 5000
    made.until("shadow")
    assert (made.rollout().candidate, made.rollout().champion, made.split().warm) == (fourth, 1, (1,))
    made.until("done")
    assert made.controller.undo(MODEL, made.now, "complaints", by="ada").champion == 1


def aborted(made: World) -> None:
    made.controller.abort(MODEL, made.now, "wrong day", by="ada")


def rolled_back(made: World) -> None:
    made.evidence.errors = 500


def unproven(made: World) -> None:
    made.evidence.difference, made.evidence.paired_n, made.evidence.decisions = None, 0, 0


def superseded(made: World) -> None:
    made.retrained()


@pytest.mark.parametrize("end", [aborted, rolled_back, unproven, superseded])
def test_undo_takes_the_promotion_back_after_a_later_rollout_that_changed_nothing(end: Callable[[World], None]) -> None:
    made = two_promoted_and_a_third_in_shadow("6h")
    end(made)
    while made.rollout().active:
        made.tick(30)
    assert made.rollout().phase == end.__name__
    back = made.controller.undo(MODEL, made.now + timedelta(seconds=1), "complaints", by="ada")
    assert (back.candidate, back.champion, back.reason) == (2, 1, "ada undid it: complaints")
    assert made.registry.version(MODEL, 3).standing == end.__name__
    assert made.weight(1) == 1.0


def test_after_the_window_undo_names_what_brings_the_champion_before_back() -> None:
    made = two_promoted_and_a_third_in_shadow()
    made.tick(700)
    with pytest.raises(Conflict) as refused:
        made.controller.undo(MODEL, made.now, "complaints", by="ada")
    assert str(refused.value) == (
        "Nothing to undo: v3 is in shadow and not champion yet; `windvane rollout abort flight-delay` ends it. "
        "v2 took over from v1 before that; to go back further: `windvane rollout start flight-delay --version 1`"
    )
    made.controller.abort(MODEL, made.now, "wrong day", by="ada")
    made.tick()
    assert made.split().warm == (), "it has left memory"
    with pytest.raises(Conflict, match=r"v3 never was champion: its rollout is aborted, v2 kept answering\. v2 took"):
        made.controller.undo(MODEL, made.now, "complaints", by="ada")
    made.controller.start(StartOrder(MODEL, 1, "complaints", "ada"), made.now)


def test_undo_is_done_once() -> None:
    made = deployed()
    made.retrained()
    made.until("done")
    made.controller.undo(MODEL, made.now, "complaints", by="ada")
    with pytest.raises(Conflict, match=r"v2 was taken back before \(ada undid it: complaints\), v1 is champion"):
        made.controller.undo(MODEL, made.now, "again", by="ada")
    made.evidence.difference = 0.1
    made.retrained()
    made.until("rolled_back")
    with pytest.raises(Conflict, match=r"v3 never was champion: its rollout is rolled back, v1 kept answering$"):
        made.controller.undo(MODEL, made.now, "but", by="ada")
