"""Takes the last promotion back while the champion before it is still loaded, whatever was tried since. Pure."""

from dataclasses import replace
from datetime import datetime

from windvane.cluster.errors import Conflict
from windvane.configs.sized_plan import in_words
from windvane.serve_apps.rollout.rollout_record import Predecessor, Rollout
from windvane.serve_apps.rollout.state_machine import go_back


def predecessor_of(before: Rollout | None, now: datetime) -> Predecessor | None:
    """The champion before the one that a new rollout begins with, while it can still be returned to at once.

    `before` is the rollout that ended last: the promotion itself, or one of those that changed nothing since.
    """
    if before is None:
        return None
    known = before.predecessor
    if before.phase == "done":
        ended = before.ended_at
        window = before.declared.rollback_window
        retired = before.retired or ended is None
        known = None if retired or ended is None else Predecessor(before.champion, before.id, ended + window)
    return known if known is not None and known.in_time(now) else None


def undo(rollout: Rollout, by: str, why: str, now: datetime) -> Rollout:
    """Return to the old champion after the promotion, while it is still warm."""
    if rollout.phase != "done":
        raise Conflict(f"Nothing to undo: {_why_not_done(rollout)}")
    if rollout.retired:
        window = in_words(rollout.declared.rollback_window)
        raise Conflict(
            f"v{rollout.champion} left memory after the rollback window ({window}): "
            f"start a rollout of v{rollout.champion} instead, with "
            f"`windvane rollout start {rollout.model} --version {rollout.champion}`"
        )
    return replace(go_back(rollout, "rolled_back", f"{by} undid it: {why}", now), undone=True)


def make_way(rollout: Rollout, by: str, why: str, now: datetime) -> Rollout:
    """End a candidate that answers nothing yet when the promotion of its champion is undone; Conflict when it answers.

    Who undoes while a candidate answers a share of the traffic may mean either version, so neither is guessed.
    """
    before = rollout.predecessor
    if not rollout.active or before is None or not before.in_time(now):
        return rollout
    if rollout.phase == "shadow":
        return go_back(rollout, "aborted", f"{by} undid v{rollout.champion}, which it was proven against: {why}", now)
    raise Conflict(
        f"v{rollout.candidate} answers requests already, in {rollout.where()}: `windvane rollout abort {rollout.model}`"
        f" gives everything back to v{rollout.champion}; `windvane rollout undo {rollout.model}` after that takes"
        f" v{rollout.champion} back too, and v{before.version} answers"
    )


def undo_before(promotion: Rollout, since: Rollout, by: str, why: str, now: datetime) -> Rollout:
    """Undo a promotion after another rollout, `since`, ended without changing the champion."""
    just_ended = since.phase == "aborted" and since.ended_at == now
    ended = f"; v{since.candidate}, in shadow against it, is aborted" if just_ended else ""
    promotion = replace(promotion, revision=max(promotion.revision, since.revision))
    return undo(promotion, by, f"{why}{ended}", now)


def _why_not_done(rollout: Rollout) -> str:
    candidate, champion = f"v{rollout.candidate}", f"v{rollout.champion}"
    if rollout.active:
        ends = f"`windvane rollout abort {rollout.model}` ends it"
        return f"{candidate} is in {rollout.where()} and not champion yet; {ends}"
    if rollout.undone:
        return f"{candidate} was taken back before ({rollout.reason}), {champion} is champion"
    return f"{candidate} never was champion: its rollout is {rollout.where()}, {champion} kept answering"
