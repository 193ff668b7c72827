"""Whatever happens in whatever order, ticks killed anywhere, a rollout keeps its promises."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.worlds.rollout.world import MODEL, Killed, World
from windvane.cluster.errors import Conflict, Forbidden, Invalid, NotFound
from windvane.cluster.policies.approval import LOOP, same_person
from windvane.serve_apps.rollout.rollout_record import RETURNED
from windvane.serve_apps.rollout.starting import StartOrder

REFUSALS = (Conflict, Forbidden, Invalid, NotFound)
RARELY = st.sampled_from((False, False, False, True))
PEOPLE = st.sampled_from(("ada", "bob"))
ANSWERED = ("step", "bake", "done")  # phases of splits in which the candidate answers
MAY_DIE_IN = st.one_of(st.none(), st.integers(1, 8))


class AnyOrder(RuleBasedStateMachine):
    """Ticks, time, replicas, evidence and operators as they come."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.taken_back: set[tuple[str, int]] = set()  # salt and candidate of splits that went back
        self.gated = False
        self.approved: set[str] = set()  # salts of rollouts that a second person let go on

    @initialize(gated=st.booleans(), by=st.sampled_from(("ada", LOOP)), promoted=st.booleans())
    def deploy(self, gated: bool, by: str, promoted: bool) -> None:
        """A champion and a candidate; with `promoted` one that took over just now, so that undo has something to do."""
        self.gated = gated
        self.world = World(plan={"approval": "required"} if gated else None)
        self.world.tick()
        self.world.retrained(by=by)
        if promoted:
            self.all_is_well_for_a_while(10, "bob")
            self.world.retrained(by=by)

    @contextmanager
    def perhaps_killed(self, dies_in: int | None) -> Iterator[None]:
        killer = self.world.killer
        killer.at = None if dies_in is None else killer.effects + dies_in
        try:
            yield
        except (Killed, *REFUSALS):
            pass
        finally:
            killer.at = None

    @rule(seconds=st.sampled_from((1, 40, 90, 1000)), dies_in=MAY_DIE_IN)
    def tick(self, seconds: int, dies_in: int | None) -> None:
        with self.perhaps_killed(dies_in):
            self.world.tick(seconds)

    @rule(ticks=st.integers(1, 5), by=PEOPLE)
    def all_is_well_for_a_while(self, ticks: int, by: str) -> None:
        """Without it hardly any order leads out of the shadow."""
        self.see("good")
        self.monitor_away(False)
        self.switchboard_away(False)
        self.replicas(set())
        self.tick(1, None)
        if self.gated and self.world.controller.status(MODEL) is not None:
            self.answer("approve", by, False, None)
        for _ in range(ticks):
            self.tick(90, None)

    @rule(look=st.sampled_from(("good", "unclear", "few")))
    def see(self, look: Literal["good", "unclear", "few"]) -> None:
        self.world.evidence.difference = {"good": -0.01, "unclear": 0.003, "few": -0.01}[look]
        self.world.evidence.paired_n = 20 if look == "few" else 5000

    @rule(away=RARELY)
    def monitor_away(self, away: bool) -> None:
        self.world.evidence.away = away

    @rule(away=RARELY)
    def switchboard_away(self, away: bool) -> None:
        self.world.switchboard.away = away

    @rule(slow=st.sets(st.sampled_from(("a", "b"))))
    def replicas(self, slow: set[str]) -> None:
        self.world.switchboard.slow = slow
        self.world.switchboard.spread()

    @rule(by=st.sampled_from(("ada", LOOP)))
    def retrained(self, by: str) -> None:
        self.world.retrained(by=by)

    @rule(version=st.integers(1, 4), by=PEOPLE, override=st.booleans(), skip=st.booleans(), dies_in=MAY_DIE_IN)
    def start(self, version: int, by: str, override: bool, skip: bool, dies_in: int | None) -> None:
        with self.perhaps_killed(dies_in):
            order = StartOrder(MODEL, version, "by hand", by, skip_shadow=skip, override_gate=override)
            self.world.controller.start(order, self.world.now)

    @precondition(lambda self: self.gated and self.world.controller.status(MODEL) is not None)
    @rule(verb=st.sampled_from(("approve", "approve", "reject")), by=PEOPLE, stale=RARELY, dies_in=MAY_DIE_IN)
    def answer(self, verb: str, by: str, stale: bool, dies_in: int | None) -> None:
        version = self.world.rollout().candidate - stale
        with self.perhaps_killed(dies_in):
            getattr(self.world.controller, verb)(MODEL, version, self.world.now, "because", by)

    @rule(verb=st.sampled_from(("pause", "resume", "promote", "abort", "undo", "undo")), dies_in=MAY_DIE_IN)
    def operate(self, verb: str, dies_in: int | None) -> None:
        arguments = (MODEL, self.world.now) if verb in ("pause", "resume") else (MODEL, self.world.now, "because")
        with self.perhaps_killed(dies_in):
            done = getattr(self.world.controller, verb)(*arguments)
            if verb == "undo":
                assert (done.undone, self.world.weight(done.champion)) == (True, 1.0)

    @rule(versions=st.sets(st.integers(1, 3), max_size=2))
    def pin(self, versions: set[int]) -> None:
        with self.perhaps_killed(None):
            self.world.controller.pin(MODEL, tuple(sorted(versions)))

    @precondition(lambda self: self.world.controller.status(MODEL) is not None)
    @rule(dies_in=MAY_DIE_IN)
    def a_surely_worse_candidate_is_back_after_one_tick_that_lives(self, dies_in: int | None) -> None:
        evidence = self.world.evidence
        kept, evidence.difference, evidence.paired_n = (evidence.difference, evidence.paired_n), 0.1, 5000
        known = self.world.rollout()
        try:
            with self.perhaps_killed(dies_in):
                self.world.tick(1)
                if known.active and not evidence.away:
                    after = self.world.rollout()
                    assert after.phase in RETURNED or after.id != known.id
                    assert self.world.weight(known.candidate) == 0.0
        finally:
            evidence.difference, evidence.paired_n = kept

    @rule()
    def an_unproven_candidate_is_held(self) -> None:
        evidence = self.world.evidence
        kept, evidence.paired_n = evidence.paired_n, 20
        try:
            with self.perhaps_killed(None):
                self.world.tick(0)  # catches up with whatever was killed
                known = self.world.controller.status(MODEL)
                if known is None or not known.active or known.waived or known.skip_shadow:
                    return
                before = self.world.weight(known.candidate)
                self.world.tick(0)
                assert self.world.weight(known.candidate) <= before
        finally:
            evidence.paired_n = kept

    @invariant()
    def weights_are_whole_and_every_answer_is_loaded(self) -> None:
        for split in self.world.switchboard.published:
            assert abs(sum(arm.weight for arm in split.arms) - 1.0) < 1e-9
            assert split.arms[-1].name == "champion" or len(split.arms) == 1
            assert {arm.version for arm in split.arms} <= split.versions()

    @invariant()
    def revisions_rise_and_nothing_is_in_force_that_is_not_stored(self) -> None:
        revisions = [split.revision for split in self.world.switchboard.published]
        assert revisions == sorted(set(revisions))
        assert max(revisions, default=0) <= self.world.split().revision

    @invariant()
    def what_was_taken_back_never_answers_again_in_the_same_rollout(self) -> None:
        split = self.world.split()
        known = self.world.controller.status(MODEL)
        if known is not None and split.salt == known.salt and split.phase in RETURNED:
            self.taken_back.add((split.salt, known.candidate))
        assert not any((split.salt, arm.version) in self.taken_back for arm in split.arms)

    @invariant()
    def nothing_answers_that_a_second_person_has_to_approve_and_did_not(self) -> None:
        known = self.world.controller.status(MODEL)
        if known is not None and known.gate.approval is not None:
            assert not same_person(known.gate.approval.by, known.gate.requester)
            self.approved.add(known.salt)
        if self.gated:
            answering = {split.salt for split in self.world.switchboard.published if split.phase in ANSWERED}
            assert answering <= self.approved

    @invariant()
    def what_was_rejected_answers_nothing(self) -> None:
        known = self.world.controller.status(MODEL)
        if known is not None and known.gate.rejection is not None:
            assert self.world.weight(known.candidate) == 0.0

    @invariant()
    def the_alias_is_the_version_that_answers_once_a_rollout_is_settled(self) -> None:
        known, split = self.world.controller.status(MODEL), self.world.split()
        if known is None or known.active or not known.settled:
            return
        half_undone = known.phase == "done" and split.phase in RETURNED  # killed there; the next tick finishes it
        assert half_undone or self.world.registry.champion(MODEL) == split.arms[0].version

    @invariant()
    def events_are_told_once(self) -> None:
        keys = [event.facts["notice"] for event in self.world.store.events(MODEL)]
        assert len(keys) == len(set(keys))


AnyOrder.TestCase.settings = settings(
    max_examples=40, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
test_any_order_keeps_the_promises = AnyOrder.TestCase
