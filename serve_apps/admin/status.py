"""Puts one model's status together from the loop's records: plain JSON values, no decisions."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from windvane.cluster.policies.approval import ApprovalAnswer
from windvane.cluster.registry import Version
from windvane.cluster.runtime.waiting import Wait
from windvane.cluster.store import Event
from windvane.configs.schema import ModelSpec
from windvane.monitoring.counts.snapshot import Snapshot
from windvane.monitoring.loop.requests import RetrainRequest
from windvane.serve_apps.admin.replies import (
    AnswerStatus,
    ApprovalStatus,
    CauseStatus,
    EventStatus,
    ModelStatus,
    RetrainStatus,
    RolloutStatus,
    SplitStatus,
    TrafficStatus,
    VerdictStatus,
    VersionStatus,
    WaitStatus,
)
from windvane.serve_apps.rollout.approval import plan_digest, required, waits
from windvane.serve_apps.rollout.rollout_record import Rollout
from windvane.serve_apps.rollout.verdict import Verdict
from windvane.serve_apps.traffic.router import Split


def model_status(
    spec: ModelSpec,
    champion: int | None,
    split: Split | None,
    rollout: Rollout | None,
    requests: Sequence[RetrainRequest],
    events: Sequence[Event],
    seen: Snapshot | None,
) -> ModelStatus:
    """One model's entry in `GET /api/status`."""
    return {
        "name": spec.name,
        "owner": spec.owner,
        "champion": champion,
        "split": split_status(split) if split else None,
        "rollout": rollout_status(rollout) if rollout else None,
        "retrain": request_status(requests[-1]) if requests else None,
        "traffic": traffic_status(seen) if seen else None,
        "events": [event_status(event) for event in events],
    }


def wait_statuses(found: Sequence[Wait], may_see: Callable[[str], bool]) -> list[WaitStatus]:
    """Waits of the models that may be seen, and of no model: who, for what, since when."""
    seen = [wait for wait in found if wait.model is None or may_see(wait.model)]
    return [{"model": wait.model, "sentence": wait.sentence, "since": wait.since.isoformat()} for wait in seen]


def traffic_status(seen: Snapshot) -> TrafficStatus:
    """Rates, latencies and totals as the monitor has them; null where nothing was seen."""
    return {
        "decisions": seen.decisions,
        "errors": seen.errors,
        "decisions_per_second": seen.decisions_per_second,
        "latency_p50_ms": seen.latency_p50_ms,
        "latency_p99_ms": seen.latency_p99_ms,
        "labelled": seen.labelled,
        "corrected": seen.corrected,
        "unmatched": seen.unmatched,
        "waiting": seen.waiting,
        "waiting_dropped": seen.waiting_dropped,
        "replicas": seen.replicas,
        "shadow_dropped": {str(version): count for version, count in seen.shadow_dropped.items()},
        "shadow_unmatched": seen.shadow_unmatched,
        "denied": dict(seen.denied),
        "refused": seen.refused,
        "refusals": _causes(seen.refusals),
        "warnings": _causes(seen.warnings),
    }


def split_status(split: Split) -> SplitStatus:
    """Versions that answer, that are scored beside, and that are kept loaded."""
    return {
        "revision": split.revision,
        "arms": [{"name": arm.name, "version": arm.version, "weight": arm.weight} for arm in split.arms],
        "shadows": list(split.shadows),
        "warm": list(split.warm),
        "phase": split.phase,
        "reason": split.reason,
    }


def rollout_status(rollout: Rollout) -> RolloutStatus:
    """The phase, why, and the last verdict with its evidence."""
    return {
        "id": rollout.id,
        "model": rollout.model,
        "candidate": rollout.candidate,
        "champion": rollout.champion,
        "phase": rollout.phase,
        "where": rollout.where(),
        "weight": rollout.weight,
        "paused": rollout.paused,
        "reason": rollout.reason,
        "cause": rollout.cause,
        "overridden": list(rollout.overridden),
        "started_at": rollout.started_at.isoformat(),
        "ended_at": _iso(rollout.ended_at),
        "in_force": rollout.in_force_at is not None,
        "rolled_back_in_ms": rollout.rolled_back_in_ms,
        "times": rollout.sized.sentence(),
        "verdict": verdict_status(rollout.verdict) if rollout.verdict else None,
        "approval": approval_status(rollout) if required(rollout) else None,
    }


def approval_status(rollout: Rollout) -> ApprovalStatus:
    """State of an approval: who asked, by which plan, whom it waits for, and who said what."""
    return {
        "requester": rollout.gate.requester,
        "plan": plan_digest(rollout),
        "waits": waits(rollout),
        "approval": _answer_status(rollout.gate.approval),
        "rejection": _answer_status(rollout.gate.rejection),
    }


def verdict_status(verdict: Verdict) -> VerdictStatus:
    """PASS, FAIL or NOT_YET and each guardrail's sentence."""
    return {
        "outcome": verdict.outcome,
        "at": verdict.at.isoformat(),
        "summary": verdict.summary,
        "guardrails": [
            {
                "name": each.name,
                "outcome": each.outcome,
                "sentence": each.sentence,
                "value": each.value,
                "limit": each.limit,
            }
            for each in verdict.guardrails
        ],
    }


def request_status(request: RetrainRequest) -> RetrainStatus:
    """Reason and progress of a retraining."""
    return {
        "request_id": request.request_id,
        "status": request.status,
        "cause": request.cause,
        "reason": request.reason,
        "findings": list(request.findings),
        "requested_at": request.requested_at.isoformat(),
        "requested_by": request.requested_by,
        "job_id": request.job_id,
        "attempts": request.attempts,
        "version": request.version,
        "message": request.message,
    }


def event_status(event: Event) -> EventStatus:
    """An event as JSON."""
    return {
        "number": event.number,
        "at": event.at.isoformat(),
        "event_time": _iso(event.event_time),
        "kind": event.kind,
        "model": event.model,
        "version": event.version,
        "detail": event.detail,
        "facts": dict(event.facts),
    }


def version_status(version: Version) -> VersionStatus:
    """A registered version as JSON."""
    return {
        "number": version.number,
        "standing": version.standing,
        "reason": version.reason,
        "owner": version.owner,
        "parent": version.parent,
        "request_id": version.request_id,
        "run_id": version.run_id,
        "created_at": version.created_at.isoformat(),
        "metrics": dict(version.metrics),
    }


def _causes(counts: Mapping[tuple[str, str], int]) -> list[CauseStatus]:
    """Most frequent first."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [{"field": field, "reason": reason, "count": count} for (field, reason), count in ordered]


def _answer_status(answer: ApprovalAnswer | None) -> AnswerStatus | None:
    return {"by": answer.by, "at": answer.at.isoformat(), "reason": answer.reason} if answer else None


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
