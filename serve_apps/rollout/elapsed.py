"""Counts by looks how long a phase lasted: a clock that jumps, or hours without a look, are no waiting. Pure.

Each look adds the time since the one before, up to a tenth of what is waited for or half a minute. The count is part of
the record, so a controller that was away goes on where it stood; the time it was away adds as much as one look.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from windvane.serve_apps.rollout.rollout_record import Rollout

LEAST_LOOKS = 10  # before what is waited for is over
LONGEST_GAP = timedelta(seconds=30)  # between two looks, that counts in full: they are a second apart, some are slow


def least_duration(rollout: Rollout) -> timedelta:
    """Time for which the phase's split has to be in force."""
    plan = rollout.sized
    if rollout.phase == "shadow" and rollout.skip_shadow:
        return timedelta(0)
    return {"shadow": plan.shadow, "bake": plan.bake}.get(rollout.phase, rollout.current.duration)


def stand(rollout: Rollout, now: datetime, longest_gap: timedelta = LONGEST_GAP) -> Rollout:
    """Count the time since the last look as time in force; once a look, before the one that `wait` notes."""
    if rollout.in_force_at is None:
        return rollout
    since = max(rollout.in_force_at, rollout.looked_at or rollout.in_force_at)
    counted = _counted(now - since, max(longest_gap, least_duration(rollout) / LEAST_LOOKS))
    return replace(rollout, stood_seconds=rollout.stood_seconds + counted)


def wait(rollout: Rollout, now: datetime) -> Rollout:
    """Note this look, and count the time since the last one as waiting for proof, not while paused."""
    gap = now - (rollout.looked_at or rollout.entered_at)
    counted = 0.0 if rollout.paused else _counted(gap, rollout.sized.max_phase / LEAST_LOOKS)
    return replace(rollout, looked_at=now, waited_seconds=rollout.waited_seconds + counted)


def stay_warm(rollout: Rollout, now: datetime, longest_gap: timedelta = LONGEST_GAP) -> Rollout:
    """Count the time since the last look towards the rollback window; unchanged while that is hardly any."""
    window = rollout.declared.rollback_window
    gap, most = now - (rollout.looked_at or rollout.entered_at), max(longest_gap, window / LEAST_LOOKS)
    counted = rollout.stood_seconds + _counted(gap, most)
    if timedelta(0) <= gap < window / LEAST_LOOKS / 2 and counted < window.total_seconds():
        return rollout
    return replace(rollout, looked_at=now, stood_seconds=counted)


def _counted(gap: timedelta, most: timedelta) -> float:
    return min(max(gap, timedelta(0)), most).total_seconds()
