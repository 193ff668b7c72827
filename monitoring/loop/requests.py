"""The retrain request: why a model is to be trained again, and how its job stands; at most one open per model."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, TypeAlias

from windvane.cluster.errors import Conflict, NotFound
from windvane.cluster.policies.approval import LOOP
from windvane.cluster.store import Shelf, Store
from windvane.monitoring.notices import Notice

KIND = "retrain_request"
Cause: TypeAlias = Literal["findings", "growth", "schedule", "manual"]
Status: TypeAlias = Literal["open", "submitted", "succeeded", "failed"]


@dataclass(frozen=True, slots=True)
class RetrainRequest:
    """Request to retrain a model: why, from which findings, what came of it; kept under `<model>/<request_id>`."""

    request_id: str  # 0001, 0002, … per model
    model: str
    reason: str  # a sentence; it becomes the version's reason
    cause: Cause
    findings: tuple[str, ...]
    requested_at: datetime  # wall clock
    event_time: datetime | None  # the model's own clock
    status: Status = "open"
    job_id: str | None = None
    attempts: int = 0
    started_at: tuple[datetime, ...] = ()  # wall clock of every attempt
    not_before: datetime | None = None  # back-off after a failed attempt
    version: int | None = None  # set by the job when it has registered
    message: str = ""  # what the last failed job said
    untold: tuple[Notice, ...] = ()  # events that belong to this state and may not be written yet
    since: datetime | None = None  # event time at which a change is taken to have begun
    until: datetime | None = None  # event time up to which the labels are in
    requested_by: str = LOOP  # the person who asked, and may not approve what comes of it

    @property
    def closed(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.status in ("succeeded", "failed")

    @property
    def key(self) -> str:
        """Key in the store."""
        return f"{self.model}/{self.request_id}"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A retraining that was decided on, by the loop or by hand: what a request is opened with."""

    cause: Cause
    reason: str
    findings: tuple[str, ...]
    at: datetime  # wall clock
    event_time: datetime | None = None
    since: datetime | None = None  # event time at which a change is taken to have begun
    until: datetime | None = None  # event time up to which the labels are in
    by: str = LOOP


def shelf(store: Store) -> Shelf[RetrainRequest]:
    """The store's retrain requests."""
    return Shelf(store, KIND, RetrainRequest)


def requests_of(store: Store, model: str) -> tuple[RetrainRequest, ...]:
    """All requests of the model, oldest first."""
    return shelf(store).all(f"{model}/")


def open_request(store: Store, model: str, wanted: Wanted) -> tuple[RetrainRequest, bool]:
    """A new request, or the one that is open already; the flag says whether it is new.

    Two callers at once get the same one: ids count up and the store creates each key once.
    """
    while True:
        known = requests_of(store, model)
        if known and not known[-1].closed:
            return known[-1], False
        request = RetrainRequest(
            request_id=f"{len(known) + 1:04d}",
            model=model,
            reason=wanted.reason,
            cause=wanted.cause,
            findings=wanted.findings,
            requested_at=wanted.at,
            event_time=wanted.event_time,
            untold=(
                Notice(
                    key=f"retrain_requested:{model}/{len(known) + 1:04d}",
                    at=wanted.at,
                    kind="retrain_requested",
                    version=None,
                    detail=wanted.reason,
                    event_time=wanted.event_time,
                    facts={"request": f"{len(known) + 1:04d}", "cause": wanted.cause},
                ),
            ),
            since=wanted.since,
            until=wanted.until,
            requested_by=wanted.by,
        )
        try:
            shelf(store).save(request.key, request, 0)
        except Conflict:
            continue  # somebody opened this id first: look again
        return request, True


def change(
    store: Store, model: str, request_id: str, how: Callable[[RetrainRequest], RetrainRequest]
) -> RetrainRequest:
    """Apply `how` to the request as it stands, again if somebody else writes in between."""
    while True:
        request, revision = shelf(store).load(f"{model}/{request_id}")
        if request is None:
            raise NotFound(f"Model {model} has no retrain request {request_id}; `windvane status` lists them")
        changed = how(request)
        if changed == request:
            return request
        try:
            shelf(store).save(request.key, changed, revision)
        except Conflict:
            continue
        return changed


def record_version(store: Store, model: str, request_id: str, version: int) -> RetrainRequest:
    """Records the version that the training job registered; calling it twice is calling it once."""
    return change(store, model, request_id, lambda request: replace(request, version=version))
