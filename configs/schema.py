"""What a model declares: one frozen, fully validated record per YAML in `configs/models/`."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from configs.quantities import Count, Duration, Figure, Flag, Moment, Share, Whole
from configs.settings import Settings as Settings

NAME = r"^[a-z][a-z0-9-]{0,62}$"
# A letter or digit of any script first; no quotes, brackets or slashes, which columns and pointers are written with.
COLUMN = r"^\w[\w .()%#&+-]{0,126}$"

RESERVED = frozenset({"label", "event_time", "subject"})  # what the decision log calls a row's other columns


def wrong(what: str, *path: str | int) -> PydanticCustomError:
    """A fault at `path` below the record that is being validated, so that a complaint can name the very field."""
    return PydanticCustomError("declaration", "{what}", {"what": what, "path": path})


def _repeated(values: Sequence[object]) -> int | None:
    """The position of the first value that stood before."""
    return next((i for i, value in enumerate(values) if value in values[:i]), None)


class Declared(BaseModel):
    """Base of everything a YAML can say: frozen, no unknown fields, no silent coercion of text."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Feature(Declared):
    """One model input: its type, unit, allowed range and whether it may be missing."""

    name: Annotated[str, Field(pattern=COLUMN)]
    type: Literal["number", "integer", "boolean", "category"]
    unit: str = ""
    description: str = ""
    min: Figure | None = None
    max: Figure | None = None
    categories: tuple[str, ...] = ()
    missing: Flag = False
    personal: Flag = False

    @model_validator(mode="after")
    def _fits_its_type(self) -> Self:
        if self.type == "category":
            if not self.categories:
                raise wrong("a category needs `categories`, the values it can take", "categories")
            if len(set(self.categories)) != len(self.categories):
                raise wrong("names a value twice", "categories")
        elif self.categories:
            raise wrong(f"belongs to type category, not {self.type}", "categories")
        for bound, value in (("min", self.min), ("max", self.max)):
            if value is not None and self.type in ("category", "boolean"):
                raise wrong(f"belongs to numbers, not to type {self.type}", bound)
            if value is not None and self.type == "integer" and not value.is_integer():
                raise wrong(f"{value:g} is not a whole number, as type integer needs", bound)
        if self.min is not None and self.max is not None and self.min > self.max:
            raise wrong(f"{self.min:g} is above max {self.max:g}", "min")
        return self


class Target(Declared):
    """What the model predicts: the probability that `name` is true."""

    name: Annotated[str, Field(pattern=COLUMN)]
    kind: Literal["binary"] = "binary"
    description: str = ""
    positive: str | None = None  # the value that counts as true when the column is text


class Source(Declared):
    """Where labelled rows come from: CSV or Parquet path or glob, SQL URL with a query, or `python:module:function`."""

    source: str
    query: str | None = None
    time: str | None = None  # event time column; rows keep file order without one
    subject: str | None = None
    until: Moment | None = None  # base data ends here; newer labels come from the decision log

    @model_validator(mode="after")
    def _query_goes_with_sql(self) -> Self:
        if "://" in self.source and not self.query:
            raise wrong("a SQL URL needs `query`", "query")
        if self.query and "://" not in self.source:
            raise wrong("belongs to a SQL URL such as postgresql://…", "query")
        if self.source.startswith("python:") and len(list(filter(None, self.source.split(":")))) != 3:
            raise wrong(f"{self.source!r} is not python:module:function", "source")
        if self.until is not None and self.time is None:
            raise wrong("needs `time`, the column it is compared with", "until")
        return self


class Action(Declared):
    """An action taken when the score is at least `at_least`, with its cost for each truth."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
    at_least: Share
    cost_if_true: Figure = 0.0
    cost_if_false: Figure = 0.0


class DecisionRule(Declared):
    """Score thresholds, highest that is reached wins; one action starts at 0."""

    actions: Annotated[tuple[Action, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _covers_every_score(self) -> Self:
        starts = [action.at_least for action in self.actions]
        names = [action.name for action in self.actions]
        if (again := _repeated(names)) is not None:
            raise wrong(f"another action is named {names[again]!r}", "actions", again, "name")
        if (again := _repeated(starts)) is not None:
            raise wrong(f"another action starts at {starts[again]:g}", "actions", again, "at_least")
        if 0.0 not in starts:
            raise wrong("no action starts at 0.0, so low scores would have none", "actions")
        return self


class Objectives(Declared):
    """Service level: what the service that asks for decisions was promised."""

    latency_p99_ms: Annotated[Figure, Field(gt=0)] = 50.0
    error_rate: Share = 0.001


class Training(Declared):
    """How a version is searched for, fitted and compared offline."""

    holdout: Duration | None = None  # newest span kept for evaluation; None keeps `holdout_share`
    holdout_share: Annotated[Figure, Field(gt=0.0, lt=0.5)] = 0.2
    windows: Annotated[tuple[Literal["all"] | Duration, ...], Field(min_length=1)] = ("all",)
    trials: Count = 6
    tune_budget: Duration = timedelta(seconds=20)
    max_rounds: Count = 300
    workers: Count = 1
    bootstrap: Annotated[Whole, Field(ge=50)] = 200
    margin: Annotated[Figure, Field(ge=0.0)] = 0.002  # log loss a candidate may lose to the champion offline
    seed: Whole = 7


class Serving(Declared):
    """How the Gateway answers."""

    min_replicas: Count = 1
    max_replicas: Count = 2
    target_ongoing_requests: Count = 64
    num_cpus: Annotated[Figure, Field(ge=0.0)] = 0.25
    durability: Literal["committed", "buffered"] = "committed"
    max_batch_rows: Count = 256
    max_waiting_rows: Count = 4096
    max_instances: Count = 1024
    max_body_bytes: Count = 2_097_152

    @model_validator(mode="after")
    def _replicas_in_order(self) -> Self:
        if self.min_replicas > self.max_replicas:
            raise wrong(f"{self.min_replicas} is above max_replicas {self.max_replicas}", "min_replicas")
        return self


class Monitor(Declared):
    """Limits of what may be seen before it is a breach; windows run on event time."""

    window: Duration = timedelta(days=1)
    min_sample: Count = 500
    feature_psi: Annotated[Figure, Field(gt=0)] = 0.25
    score_psi: Annotated[Figure, Field(gt=0)] = 0.25
    missing_rise: Share = 0.1
    auc_drop: Share = 0.03
    brier_rise: Share = 0.02


class Retrain(Declared):
    """When a breach becomes a retraining; durations run on event time, `retry_after` on the wall clock."""

    on: tuple[Literal["drift", "performance"], ...] = ("drift", "performance")
    persistence: Count = 2  # windows in a row
    cool_down: Duration = timedelta(days=7)
    min_labels: Count = 1000
    daily_budget: Count = 2  # jobs started in 24 h of wall clock
    schedule: Duration | None = None
    max_attempts: Count = 3
    retry_after: Duration = timedelta(seconds=30)
    job_timeout: Duration = timedelta(minutes=30)


class Step(Declared):
    """One canary step: the candidate's weight and what has to be seen before the next."""

    weight: Annotated[Figure, Field(gt=0.0, le=1.0)]
    min_duration: Duration = timedelta(minutes=5)
    min_decisions: Count = 200


class Plan(Declared):
    """Shadow, canary steps, full, bake; blue/green is one step of weight 1."""

    shadow: Annotated[Flag, Field(description="score the candidate on every request before it answers any")] = True
    min_outcomes: Count = 1000  # paired outcomes before the loss guardrail can pass
    shadow_min_duration: Duration = timedelta(minutes=5)
    steps: Annotated[tuple[Step, ...], Field(min_length=1)] = (
        Step(weight=0.1),
        Step(weight=0.5),
        Step(weight=1.0),
    )
    bake: Duration = timedelta(minutes=10)
    rollback_window: Duration = timedelta(hours=24)
    max_phase: Duration = timedelta(hours=24)
    loss_margin: Annotated[Figure, Field(ge=0.0)] = 0.002  # Brier score, paired, candidate minus champion
    error_margin: Share = 0.005
    prediction_shift_psi: Annotated[Figure, Field(gt=0)] = 1.0
    alpha: Annotated[Figure, Field(gt=0.0, lt=0.5)] = 0.01

    @model_validator(mode="after")
    def _weights_rise_to_one(self) -> Self:
        weights = [step.weight for step in self.steps]
        if weights != sorted(set(weights)):
            raise wrong(f"weights must rise from step to step, got {weights}", "steps")
        if weights[-1] != 1.0:
            raise wrong("must be 1.0 in the last step", "steps", len(weights) - 1, "weight")
        return self


class ModelSpec(Declared):
    """Everything Windvane needs to know about one decision model."""

    name: Annotated[str, Field(pattern=NAME)]
    owner: Annotated[str, Field(min_length=1)]
    description: str = ""
    unit: Annotated[str, Field(min_length=1)]
    target: Target
    features: Annotated[tuple[Feature, ...], Field(min_length=1)]
    data: Source
    decision: DecisionRule
    slo: Objectives = Objectives()
    training: Training = Training()
    serving: Serving = Serving()
    monitor: Monitor = Monitor()
    retrain: Retrain = Retrain()
    rollout: Plan = Plan()

    @model_validator(mode="after")
    def _names_are_distinct(self) -> Self:
        names = [feature.name.casefold() for feature in self.features]  # SQL columns differ by more than case
        if (again := _repeated(names)) is not None:
            raise wrong("another feature has this name", "features", again, "name")
        for position, name in enumerate(names):
            if name in RESERVED:
                raise wrong("the decision log uses this name itself; rename the column", "features", position, "name")
        if self.target.name.casefold() in names:
            raise wrong(
                f"{self.target.name!r} is also a feature, which would tell the model the answer", "target", "name"
            )
        for role in ("time", "subject"):
            column = getattr(self.data, role)
            if column is not None and column.casefold() in names:
                raise wrong(f"{column!r} is also a feature; take it from one of the two", "data", role)
        return self

    @model_validator(mode="after")
    def _spans_need_time(self) -> Self:
        if self.data.time is None and self.training.holdout is not None:
            raise wrong("a span of time needs `data.time`; use `holdout_share` without one", "training", "holdout")
        for position, window in enumerate(self.training.windows):
            if self.data.time is None and window != "all":
                raise wrong("a span of time needs `data.time`; use `all` without one", "training", "windows", position)
        return self

    def feature(self, name: str) -> Feature:
        """The feature of that name; KeyError when there is none."""
        for feature in self.features:
            if feature.name == name:
                return feature
        raise KeyError(name)
