"""Makes the world match a rollout's record; every effect may be repeated, so a killed tick is simply run again."""

import logging
from dataclasses import dataclass, replace
from datetime import datetime

from windvane.cluster.errors import Conflict, NotFound, Unavailable
from windvane.cluster.registry import Registry, Standing
from windvane.cluster.store import Shelf, Store
from windvane.monitoring.notices import Notice, tell
from windvane.serve_apps.rollout.demanded_split import same_routing, split_of, steady
from windvane.serve_apps.rollout.ports import Displaced, SwitchboardPort
from windvane.serve_apps.rollout.rollout_record import PAST, PINS, RETURNED, ROLLOUT, Phase, Pins, Rollout, note
from windvane.serve_apps.rollout.state_machine import go_back
from windvane.serve_apps.traffic.router import SPLIT, Split

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StoredRollout:
    """A record with the store's revision of it, which compare-and-set needs."""

    rollout: Rollout
    saved: int


class Effects:
    """The only place where a rollout touches store, registry and switchboard."""

    def __init__(self, store: Store, registry: Registry, switchboard: SwitchboardPort) -> None:
        self._store = store
        self._registry = registry
        self._switchboard = switchboard
        self._rollouts = Shelf(store, ROLLOUT, Rollout)
        self._splits = Shelf(store, SPLIT, Split)
        self._pins = Shelf(store, PINS, Pins)
        self._unpublished: dict[str, str] = {}  # model → why, when that was last said

    def held(self, model: str) -> StoredRollout | None:
        """The model's rollout as stored."""
        rollout, saved = self._rollouts.load(model)
        return None if rollout is None else StoredRollout(rollout, saved)

    def split(self, model: str) -> Split | None:
        """The split as stored."""
        return self._splits.load(model)[0]

    def pinned(self, model: str) -> tuple[int, ...]:
        """The versions pinned as shadows."""
        pins = self._pins.load(model)[0]
        return () if pins is None else pins.versions

    def pin(self, model: str, versions: tuple[int, ...]) -> None:
        """Pin those versions and no others."""
        self._pins.save(model, Pins(versions), self._pins.load(model)[1])

    def promoted(self, model: str, candidate: int) -> Rollout | None:
        """The past rollout that made that version champion."""
        past = Shelf(self._store, PAST, Rollout).all(f"{model}/")
        made = [each for each in past if each.candidate == candidate and each.phase == "done"]
        return max(made, key=lambda each: each.started_at, default=None)

    def catch_up(self, model: str, now: datetime) -> StoredRollout | None:
        """Finish whatever a killed tick left half done."""
        held = self.held(model)
        if held is None:
            return None
        split = self.split(model)
        rollout = held.rollout
        returning = split is not None and split.salt == rollout.salt and split.phase in RETURNED
        if split is not None and returning and rollout.phase not in RETURNED:
            held = self._finish_return(held, split, now)
        return self.settle(held, recovered=True)

    def apply(self, held: StoredRollout, decided: Rollout) -> StoredRollout:
        """Carry out a decision; on the way back the split comes first, before anything that could fail or take time."""
        if decided.phase in RETURNED and held.rollout.phase not in RETURNED:
            ahead = self._route(split_of(decided, self.pinned(decided.model)))
            while ahead is not None:
                decided = replace(decided, revision=ahead + 1)
                ahead = self._route(split_of(decided, self.pinned(decided.model)))
        return self.settle(self._save(held, decided), recovered=False)

    def past(self, model: str, rollout: str) -> Rollout:
        """The past rollout with that id."""
        found = Shelf(self._store, PAST, Rollout).load(f"{model}/{rollout}")[0]
        if found is None:
            raise NotFound(f"{model} has no rollout {rollout} on record")
        return found

    def swap(self, before: StoredRollout | None, rollout: Rollout) -> StoredRollout:
        """Put another rollout on record, the one before into the past."""
        if before is not None:
            past = Shelf(self._store, PAST, Rollout)
            key = f"{rollout.model}/{before.rollout.id}"
            past.save(key, before.rollout, past.load(key)[1])
        saved = self._rollouts.save(rollout.model, rollout, 0 if before is None else before.saved)
        return self.settle(StoredRollout(rollout, saved), recovered=True)  # a tick may have told of it already

    def settle(self, held: StoredRollout, recovered: bool) -> StoredRollout:
        """Split, registry and events as the record has them; `recovered` when an earlier attempt may have died."""
        rollout, behind = held.rollout, None
        split, wanted = self.split(rollout.model), split_of(rollout, self.pinned(rollout.model))
        if split is None or split.revision < rollout.revision:
            behind = self._route(wanted)
        elif not same_routing(split, wanted):  # pins changed: a new epoch of the same phase
            behind = split.revision
        elif recovered:
            behind = self._publish(split)
        while behind is not None:
            held = self._save(held, replace(held.rollout, revision=behind + 1, in_force_at=None))
            behind = self._route(split_of(held.rollout, self.pinned(rollout.model)))
        rollout = held.rollout
        if not rollout.settled:
            self._tag(rollout)
        if rollout.untold:
            tell(self._store, rollout.model, rollout.untold, recovered)
        return self._save(held, replace(rollout, settled=True, untold=()))

    def keep_steady(self, model: str, now: datetime) -> None:
        """The split of a model that never had a rollout: its champion, once there is one, and the pins."""
        split, pins = self.split(model), self.pinned(model)
        champion = self._registry.champion(model) if split is None else split.arms[0].version
        if champion is None:
            return
        reason = f"v{champion} is champion" + (
            f", shadows pinned: {', '.join(f'v{pin}' for pin in pins)}" if pins else ""
        )
        wanted = steady(model, champion, pins, 1 if split is None else split.revision + 1, reason)
        if split is not None and same_routing(replace(split, salt=""), replace(wanted, salt="")):
            ahead = self._publish(split)
        else:
            notice = Notice(f"deployed:{model}/{wanted.revision}", now, "deployed", champion, reason)
            tell(self._store, model, (notice,), recovered=True)
            ahead = self._route(wanted)
        while ahead is not None:
            ahead = self._route(replace(wanted, revision=ahead + 1))

    def _finish_return(self, held: StoredRollout, split: Split, now: datetime) -> StoredRollout:
        """The split is back already and the record does not know: the tick that decided it was killed."""
        self._publish(split)
        rollout, saved = replace(held.rollout, revision=split.revision - 1), self._store.get(SPLIT, split.model)
        decided_at = now if saved is None else saved.updated_at
        if rollout.active and split.phase == "rolled_back":
            rollout = note(rollout, "verdict", split.reason, decided_at, outcome="FAIL")
        phase: Phase = next((each for each in RETURNED if each == split.phase), "rolled_back")
        undone = rollout.phase == "done"
        return self._save(held, replace(go_back(rollout, phase, split.reason, decided_at), undone=undone))

    def _route(self, split: Split) -> int | None:
        """Store the split, then publish it; a stored one that is newer or the same is never overwritten by an older.

        Returns what `_publish` does.
        """
        stored, at = self._splits.load(split.model)
        if stored is not None and stored.revision >= split.revision:
            raise Conflict(
                f"Split {stored.revision} of {split.model} is stored already, not {split.revision - 1}: look again"
            )
        self._splits.save(split.model, split, at)
        return self._publish(split)

    def _publish(self, split: Split) -> int | None:
        """Publish a stored split; the revision that has to be overtaken where replicas go by one the store has not."""
        try:
            self._switchboard.publish(split)
        except Unavailable as error:  # it reads the store when it is back, and the next tick publishes again
            self._say(split, str(error))
            return None
        except Displaced as error:
            stored = self.split(split.model)
            if stored is not None and stored.revision > split.revision:
                return None  # somebody went on meanwhile, and publishes that
            self._say(split, f"{error}: was the store restored from a backup? It is published with a higher revision")
            return error.revision
        self._unpublished.pop(split.model, None)
        return None

    def _say(self, split: Split, why: str) -> None:
        if self._unpublished.get(split.model) != why:
            self._unpublished[split.model] = why
            logger.warning("Split %d of %s is stored and not published: %s", split.revision, split.model, why)

    def _tag(self, rollout: Rollout) -> None:
        model, candidate, champion = rollout.model, rollout.candidate, rollout.champion
        if rollout.phase == "done":
            self._registry.set_champion(model, candidate)
            self._registry.set_standing(model, candidate, "champion", rollout.reason)
            self._registry.set_standing(model, champion, "retired", f"v{candidate} took over")
            return
        self._registry.set_champion(model, champion)
        if self._registry.version(model, champion).standing != "champion":
            self._registry.set_standing(model, champion, "champion", f"v{candidate} was taken back: {rollout.reason}")
        self._registry.set_standing(model, candidate, _standing(rollout), rollout.reason)

    def _save(self, held: StoredRollout, rollout: Rollout) -> StoredRollout:
        if rollout == held.rollout:
            return held
        return StoredRollout(rollout, self._rollouts.save(rollout.model, rollout, held.saved))


def _standing(rollout: Rollout) -> Standing:
    """Standing of a candidate whose rollout went back: refused by a person, worse, or only open."""
    if rollout.gate.rejection is not None:
        return "rejected"
    standings: dict[Phase, Standing] = {"aborted": "aborted", "unproven": "unproven", "superseded": "superseded"}
    return standings.get(rollout.phase, "rolled_back")
