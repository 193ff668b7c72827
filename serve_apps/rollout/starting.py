"""Decides whether a version may be proven, and makes the record that its rollout begins with. Pure."""

from dataclasses import dataclass
from datetime import datetime

from windvane.cluster.errors import Conflict, Invalid
from windvane.cluster.registry import Standing, Version
from windvane.configs.schema import ModelSpec
from windvane.serve_apps.rollout.offline import offline_of
from windvane.serve_apps.rollout.rollout_record import Rollout
from windvane.serve_apps.rollout.state_machine import begin
from windvane.serve_apps.rollout.undo import predecessor_of
from windvane.serve_apps.traffic.router import Split


@dataclass(frozen=True, slots=True)
class StartOrder:
    """Order to prove a version: by whom, which, why, and what it overrides."""

    model: str
    version: int
    reason: str
    by: str
    requester: str  # who may not approve it
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
    """The new record; Invalid when the version is champion, or stands so that somebody has to override it."""
    champion = split.arms[0].version
    if order.version == champion:
        raise Invalid(f"v{order.version} of {order.model} is the champion already")
    superseding = before is not None and before.phase == "superseded"
    return begin(
        model=order.model,
        candidate=order.version,
        champion=champion,
        plan=spec.rollout,
        objectives=spec.slo,
        revision=split.revision + 1,
        cause=f"{order.by} started it: {order.reason}",
        now=now,
        skip_shadow=order.skip_shadow,
        overridden=_overridden(order, version.standing),
        requester=order.requester,
        started_by=order.by,
        proving_since=before.proving_since if before is not None and superseding else None,
        offline=offline_of(version),
        predecessor=predecessor_of(before, now),
    )


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
