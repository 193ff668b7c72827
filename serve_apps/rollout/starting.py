"""Decides whether a version may be proven, and makes the record that its rollout begins with. Pure."""

from dataclasses import dataclass
from datetime import datetime

from windvane.cluster.errors import Conflict, Invalid
from windvane.cluster.policies.approval import Gate
from windvane.cluster.registry import Standing, Version
from windvane.configs.schema import ModelSpec
from windvane.serve_apps.rollout import approval
from windvane.serve_apps.rollout.offline import offline_of
from windvane.serve_apps.rollout.rollout_record import Rollout, note
from windvane.serve_apps.rollout.undo import predecessor_of
from windvane.serve_apps.traffic.router import Split


@dataclass(frozen=True, slots=True)
class StartOrder:
    """Order to prove a version: by whom, which, why, and what it overrides."""

    model: str
    version: int
    reason: str
    by: str = "operator"
    requester: str | None = None  # who may not approve it; without one, who starts it
    skip_shadow: bool = False
    override_gate: bool = False


def demand_free(model: str, before: Rollout | None, split: Split | None) -> Split:
    """The split that holds; Conflict while another rollout runs, or nothing is served."""
    if before is not None and before.active:
        raise Conflict(f"v{before.candidate} of {model} is in {before.where()}: abort it or wait for its end")
    if split is None:
        raise Conflict(f"{model} has no champion yet: `windvane train {model}`, then `windvane deploy {model}`")
    return split


def started(
    order: StartOrder, spec: ModelSpec, version: Version, before: Rollout | None, split: Split, now: datetime
) -> Rollout:
    """The rollout in its first phase; Invalid when the version is champion, or stands so that it has to be overridden.

    It always loads and scores the candidate before it lets it answer.
    """
    champion = split.arms[0].version
    if order.version == champion:
        raise Invalid(f"v{order.version} of {order.model} is the champion already")
    revision, offline = split.revision + 1, offline_of(version)
    cause = f"{order.by} started it: {order.reason}"
    skip_shadow = order.skip_shadow or not spec.rollout.shadow
    overridden = _overridden(order, version.standing)
    superseding = before is not None and before.phase == "superseded"
    rollout = Rollout(
        id=f"{revision}-v{order.version}",
        model=order.model,
        candidate=order.version,
        champion=champion,
        plan=spec.rollout.model_dump(mode="json"),
        objectives=spec.slo.model_dump(mode="json"),
        salt=f"{revision}:{order.version}:{order.model}",  # the revision first: a hash key is cut at 64 bytes
        revision=revision,
        phase="shadow",
        started_at=now,
        entered_at=now,
        reason=cause,
        cause=cause,
        skip_shadow=skip_shadow,
        overridden=overridden,
        gate=Gate(order.requester or order.by),
        started_by=order.by,
        proving_since=before.proving_since if before is not None and superseding else now,
        offline=offline if offline is not None and offline.champion == champion else None,
        predecessor=predecessor_of(before, now),
    )
    overrides = f" Overridden: {'; '.join(overridden)}." if overridden else ""
    opening = "load" if skip_shadow else "shadow"
    begun = note(rollout, "phase", f"v{order.version} enters {opening} against v{champion}: {cause}.{overrides}", now)
    return approval.request(begun, now)


def _overridden(order: StartOrder, standing: Standing) -> tuple[str, ...]:
    overridden = [f"{order.by} skipped the shadow phase: {order.reason}"] if order.skip_shadow else []
    if standing in ("rejected", "rolled_back"):
        if not order.override_gate:
            raise Invalid(
                f"v{order.version} of {order.model} is {standing}: override the gate with a reason to try it anyway"
            )
        overridden.append(f"{order.by} started it although it is {standing}: {order.reason}")
    if overridden and not order.reason.strip():
        raise Invalid("An override needs a reason: it stays on the record")
    return tuple(overridden)
