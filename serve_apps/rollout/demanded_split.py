"""The split that a rollout's record demands, and that of a model without one. Pure."""

from dataclasses import replace

from windvane.serve_apps.rollout.rollout_record import Rollout
from windvane.serve_apps.traffic.router import Arm, Split


def split_of(rollout: Rollout, pins: tuple[int, ...]) -> Split:
    """The split a record demands: whoever does not answer a request is scored on it, so losses stay paired."""
    candidate, champion, weight = rollout.candidate, rollout.champion, rollout.weight
    kept = () if rollout.predecessor is None else (rollout.predecessor.version,)
    warm: tuple[int, ...] = kept
    if rollout.active:
        arms = [Arm("candidate", candidate, weight)] if weight > 0.0 else []
        arms += [Arm("champion", champion, 1.0 - weight)] if weight < 1.0 else []
        scored, warm = (candidate, champion, *pins), (champion, *kept)
    elif rollout.phase == "done":
        arms, scored = [Arm("champion", candidate, 1.0)], pins
        warm = () if rollout.retired else (champion,)
    else:
        arms, scored = [Arm("champion", champion, 1.0)], pins
    sole = arms[0].version if len(arms) == 1 else None
    shadows = tuple(version for version in dict.fromkeys(scored) if version != sole)
    return Split(
        rollout.model, rollout.revision, rollout.salt, tuple(arms), shadows, warm, rollout.phase, rollout.reason
    )


def steady(model: str, champion: int, pins: tuple[int, ...], revision: int, reason: str) -> Split:
    """The split of a model without any rollout."""
    shadows = tuple(version for version in dict.fromkeys(pins) if version != champion)
    salt = f"{revision}:{champion}:{model}"
    return Split(model, revision, salt, (Arm("champion", champion, 1.0),), shadows, reason=reason)


def same_routing(one: Split, other: Split) -> bool:
    """Whether two splits treat every request alike, whatever they are called."""
    return replace(one, revision=0, phase="", reason="") == replace(other, revision=0, phase="", reason="")
