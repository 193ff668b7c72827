"""What a model declares: one frozen, fully validated record per YAML in `configs/models/`."""

import re
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, model_validator

NAME = r"^[a-z][a-z0-9-]{0,62}$"
COLUMN = r"^[A-Za-z_][A-Za-z0-9_ .-]{0,126}$"
_DURATION = re.compile(r"^(\d+(?:\.\d+)?)(ms|s|m|h|d|w)$")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}


def parse_duration(text: object) -> object:
    """Read `90s`, `5m`, `12h`, `28d` or `4w`; anything else is left for the validator to refuse.

    >>> parse_duration("28d")
    datetime.timedelta(days=28)
    """
    if isinstance(text, str):
        match = _DURATION.match(text.strip())
        if match is None:
            raise ValueError(f"{text!r} is not a duration; write 90s, 5m, 12h, 28d or 4w")
        return timedelta(seconds=float(match[1]) * _SECONDS[match[2]])
    if isinstance(text, int | float) and not isinstance(text, bool):
        raise ValueError(f"{text!r} has no unit; write 90s, 5m, 12h, 28d or 4w")
    return text


def _parse_moment(value: object) -> object:
    """A date or time without a zone is UTC."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    if isinstance(value, datetime) and value.tzinfo is None:
        return value.replace(tzinfo=UTC)
    return value


Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(lambda d: f"{d.total_seconds():g}s", return_type=str),
    Field(ge=timedelta(0)),
]
Moment = Annotated[datetime, BeforeValidator(_parse_moment)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]
Count = Annotated[int, Field(ge=1)]


class Declared(BaseModel):
    """Base of everything a YAML can say: frozen, no unknown fields, no silent coercion of text."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Feature(Declared):
    """One model input: its type, unit, allowed range and whether it may be missing."""

    name: Annotated[str, Field(pattern=COLUMN)]
    type: Literal["number", "integer", "boolean", "category"]
    unit: str = ""
    description: str = ""
    min: float | None = None
    max: float | None = None
    categories: tuple[str, ...] = ()
    missing: bool = False
    personal: bool = False

    @model_validator(mode="after")
    def _fits_its_type(self) -> Self:
        if self.type == "category":
            if not self.categories:
                raise ValueError("a category needs `categories`, the values it can take")
            if len(set(self.categories)) != len(self.categories):
                raise ValueError("`categories` names a value twice")
        elif self.categories:
            raise ValueError(f"`categories` belongs to type category, not {self.type}")
        if self.type in ("category", "boolean") and (self.min is not None or self.max is not None):
            raise ValueError(f"`min` and `max` belong to numbers, not to type {self.type}")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min {self.min:g} is above max {self.max:g}")
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
            raise ValueError("a SQL URL needs `query`")
        if self.query and "://" not in self.source:
            raise ValueError("`query` belongs to a SQL URL such as postgresql://…")
        return self


class Action(Declared):
    """An action taken when the score is at least `at_least`, with its cost for each truth."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
    at_least: Share
    cost_if_true: float = 0.0
    cost_if_false: float = 0.0


class DecisionRule(Declared):
    """Score thresholds, highest that is reached wins; one action starts at 0."""

    actions: Annotated[tuple[Action, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _covers_every_score(self) -> Self:
        starts = [action.at_least for action in self.actions]
        names = [action.name for action in self.actions]
        if len(set(names)) != len(names):
            raise ValueError("two actions have the same name")
        if len(set(starts)) != len(starts):
            raise ValueError("two actions start at the same score")
        if 0.0 not in starts:
            raise ValueError("no action starts at 0.0, so low scores would have none")
        return self


class Objectives(Declared):
    """Service level: what the service that asks for decisions was promised."""

    latency_p99_ms: Annotated[float, Field(gt=0)] = 50.0
    error_rate: Share = 0.001


class Training(Declared):
    """How a version is searched for, fitted and compared offline."""

    holdout: Duration | None = None  # newest span kept for evaluation; None keeps `holdout_share`
    holdout_share: Annotated[float, Field(gt=0.0, lt=0.5)] = 0.2
    windows: Annotated[tuple[Literal["all"] | Duration, ...], Field(min_length=1)] = ("all",)
    trials: Count = 6
    tune_budget: Duration = timedelta(seconds=20)
    max_rounds: Count = 300
    workers: Count = 1
    bootstrap: Annotated[int, Field(ge=50)] = 200
    margin: Annotated[float, Field(ge=0.0)] = 0.002  # log loss a candidate may lose to the champion offline
    seed: int = 7


class Serving(Declared):
    """How the Gateway answers."""

    min_replicas: Count = 1
    max_replicas: Count = 2
    target_ongoing_requests: Count = 64
    num_cpus: Annotated[float, Field(ge=0.0)] = 0.25
    durability: Literal["committed", "buffered"] = "committed"
    max_batch_rows: Count = 256
    max_waiting_rows: Count = 4096
    max_instances: Count = 1024
    max_body_bytes: Count = 2_097_152

    @model_validator(mode="after")
    def _replicas_in_order(self) -> Self:
        if self.min_replicas > self.max_replicas:
            raise ValueError(f"min_replicas {self.min_replicas} is above max_replicas {self.max_replicas}")
        return self


class Monitor(Declared):
    """Limits of what may be seen before it is a breach; windows run on event time."""

    window: Duration = timedelta(days=1)
    min_sample: Count = 500
    feature_psi: Annotated[float, Field(gt=0)] = 0.25
    score_psi: Annotated[float, Field(gt=0)] = 0.25
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

    weight: Annotated[float, Field(gt=0.0, le=1.0)]
    min_duration: Duration = timedelta(minutes=5)
    min_decisions: Count = 200


class Plan(Declared):
    """Shadow, canary steps, full, bake; blue/green is one step of weight 1."""

    shadow: Annotated[bool, Field(description="score the candidate on every request before it answers any")] = True
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
    loss_margin: Annotated[float, Field(ge=0.0)] = 0.002  # Brier score, paired, candidate minus champion
    error_margin: Share = 0.005
    prediction_shift_psi: Annotated[float, Field(gt=0)] = 1.0
    alpha: Annotated[float, Field(gt=0.0, lt=0.5)] = 0.01

    @model_validator(mode="after")
    def _weights_rise_to_one(self) -> Self:
        weights = [step.weight for step in self.steps]
        if weights != sorted(set(weights)):
            raise ValueError(f"step weights must rise, got {weights}")
        if weights[-1] != 1.0:
            raise ValueError("the last step must have weight 1.0")
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
        names = [feature.name for feature in self.features]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"features named twice: {', '.join(twice)}")
        for role, column in (("target", self.target.name), ("time", self.data.time), ("subject", self.data.subject)):
            if column in names:
                raise ValueError(f"the {role} column {column!r} is also a feature")
        return self

    def feature(self, name: str) -> Feature:
        """The feature of that name; KeyError when there is none."""
        for feature in self.features:
            if feature.name == name:
                return feature
        raise KeyError(name)


class Settings(Declared):
    """Where this Windvane lives and listens; read once from the environment by `configs.load`."""

    home: str
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)] = 8000
    dashboard_port: Annotated[int, Field(ge=1, le=65535)] = 8265
    ray_address: str | None = None  # an existing cluster to attach to; None starts one
    store_url: str
    mlflow_uri: str
    models_dir: str
    overlay: str | None = None

    def environment(self) -> dict[str, Any]:
        """The variables that make another process read the same settings."""
        pairs = {
            "WINDVANE_HOME": self.home,
            "WINDVANE_HOST": self.host,
            "WINDVANE_PORT": str(self.port),
            "WINDVANE_DASHBOARD_PORT": str(self.dashboard_port),
            "WINDVANE_STORE": self.store_url,
            "WINDVANE_MLFLOW": self.mlflow_uri,
            "WINDVANE_MODELS": self.models_dir,
        }
        return pairs | ({"WINDVANE_OVERLAY": self.overlay} if self.overlay else {})
