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

    name: Annotated[str, Field(pattern=COLUMN)]  # column name, and the name in requests
    # what a value is; a category is one of a declared list of texts
    type: Literal["number", "integer", "boolean", "category"]
    unit: str = ""  # of measurement, for people
    description: str = ""  # what it means, for people
    min: Figure | None = None  # smallest value accepted, in training and in requests
    max: Figure | None = None  # largest value accepted
    categories: tuple[str, ...] = ()  # the values a category can take; any other counts as unknown
    missing: Flag = False  # whether a value may be absent
    personal: Flag = False  # whether it tells something about a person

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

    name: Annotated[str, Field(pattern=COLUMN)]  # column of the label
    kind: Literal["binary"] = "binary"  # two outcomes, the only kind so far
    description: str = ""  # what being true means, for people
    positive: str | None = None  # the value that counts as true when the column is text


class Source(Declared):
    """Where labelled rows come from: CSV or Parquet path or glob, SQL URL with a query, or `python:module:function`."""

    source: str  # path, folder or glob (relative to this YAML), SQL URL, or python:module:function
    query: str | None = None  # the SELECT, for a SQL URL
    time: str | None = None  # event time column; rows keep file order without one
    subject: str | None = None  # column that names who or what a decision is about
    until: Moment | None = None  # base data ends before this moment; newer labels come from the decision log

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

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]  # what is done
    at_least: Share  # score from which it is taken
    cost_if_true: Figure = 0.0  # what it costs when the target turns out true
    cost_if_false: Figure = 0.0  # what it costs when it turns out false


class DecisionRule(Declared):
    """Score thresholds, highest that is reached wins; one action starts at 0."""

    actions: Annotated[tuple[Action, ...], Field(min_length=1)]  # the highest threshold a score reaches decides

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

    latency_p99_ms: Annotated[Figure, Field(gt=0)] = 50.0  # milliseconds in which 99 of 100 answers are given
    error_rate: Share = 0.001  # share of requests that may fail


class Training(Declared):
    """How a version is searched for, fitted and compared offline."""

    holdout: Duration | None = None  # newest span kept for evaluation; without one `holdout_share` of the rows is kept
    holdout_share: Annotated[Figure, Field(gt=0.0, lt=0.5)] = 0.2  # newest share of rows kept for evaluation
    # spans of newest rows to try learning from; `all` is all of them
    windows: Annotated[tuple[Literal["all"] | Duration, ...], Field(min_length=1)] = ("all",)
    trials: Count = 6  # parameter sets tried at most
    tune_budget: Duration = timedelta(seconds=20)  # time for trying them, wall clock
    max_rounds: Count = 300  # boosting rounds at most
    workers: Count = 1  # Ray Train workers of the final fit
    bootstrap: Annotated[Whole, Field(ge=50)] = 200  # resamples behind every interval of an evaluation
    margin: Annotated[Figure, Field(ge=0.0)] = 0.002  # log loss a candidate may lose to the champion offline
    seed: Whole = 7  # makes a training repeatable


class Serving(Declared):
    """How the Gateway answers."""

    min_replicas: Count = 1  # gateway replicas kept
    max_replicas: Count = 2  # gateway replicas at most
    target_ongoing_requests: Count = 24  # requests in flight per replica that autoscaling aims at; a quarter more go in
    num_cpus: Annotated[Figure, Field(ge=0.0)] = 0.25  # CPUs Ray reserves per replica
    # whether the reply waits until its log record is on disk
    durability: Literal["committed", "buffered"] = "committed"
    max_batch_rows: Count = 256  # rows scored at once at most
    max_waiting_rows: Count = 4096  # rows waiting per replica, beyond which requests are refused with 429
    max_instances: Count = 1024  # instances in one request at most
    max_body_bytes: Count = 2_097_152  # size of one request at most
    # whether only decisions whose caller asks are explained, or every one, with its contributions in the log
    explanations: Literal["requested", "always"] = "requested"

    @model_validator(mode="after")
    def _replicas_in_order(self) -> Self:
        if self.min_replicas > self.max_replicas:
            raise wrong(f"{self.min_replicas} is above max_replicas {self.max_replicas}", "min_replicas")
        return self


class Monitor(Declared):
    """Limits of what may be seen before it is a breach; windows run on event time."""

    window: Duration = timedelta(days=1)  # span of event time that is judged as one
    min_sample: Count = 500  # decisions a window needs to be judged
    # population stability index of a feature above which it has drifted
    feature_psi: Annotated[Figure, Field(gt=0)] = 0.25
    score_psi: Annotated[Figure, Field(gt=0)] = 0.25  # the same for the score
    missing_rise: Share = 0.1  # rise of a feature's missing share above which it is a breach
    auc_drop: Share = 0.03  # fall of AUC below the reference above which it is a breach
    brier_rise: Share = 0.02  # rise of the Brier score above the reference above which it is a breach


class Retrain(Declared):
    """When a breach becomes a retraining; durations run on event time, `retry_after` on the wall clock."""

    on: tuple[Literal["drift", "performance"], ...] = ("drift", "performance")  # which breaches count
    persistence: Count = 2  # windows in a row that must breach
    cool_down: Duration = timedelta(days=7)  # event time between two retrainings
    min_labels: Count = 1000  # outcomes known before a retraining makes sense
    daily_budget: Count = 2  # jobs started in 24 h of wall clock
    schedule: Duration | None = None  # retrain this often whatever is seen; never without one
    max_attempts: Count = 3  # how often a failed job is started in all
    retry_after: Duration = timedelta(seconds=30)  # wait before the second attempt, doubled each time
    job_timeout: Duration = timedelta(minutes=30)  # a job that runs longer is ended and has failed


class Step(Declared):
    """One canary step: the candidate's weight and what has to be seen before the next."""

    weight: Annotated[Figure, Field(gt=0.0, le=1.0)]  # share of units the candidate answers
    min_duration: Duration = timedelta(minutes=5)  # wall clock time the step lasts at least
    min_decisions: Count = 200  # candidate decisions it needs at least


class Plan(Declared):
    """Shadow, canary steps, full, bake; blue/green is one step of weight 1."""

    shadow: Flag = True  # score the candidate on every request before it answers any
    # whether somebody other than who asked for it must approve a candidate before it answers any request
    approval: Literal["none", "required"] = "none"
    min_outcomes: Count = 1000  # paired outcomes before the loss guardrail can pass
    shadow_min_duration: Duration = timedelta(minutes=5)  # wall clock time the shadow phase lasts at least
    # canary steps, the last of weight 1.0
    steps: Annotated[tuple[Step, ...], Field(min_length=1)] = (
        Step(weight=0.1),
        Step(weight=0.5),
        Step(weight=1.0),
    )
    bake: Duration = timedelta(minutes=10)  # wall clock time the candidate answers everything before it is champion
    rollback_window: Duration = timedelta(hours=24)  # time the old champion stays loaded after a promotion
    max_phase: Duration = timedelta(hours=24)  # a phase without a verdict for this long ends the rollout
    loss_margin: Annotated[Figure, Field(ge=0.0)] = 0.002  # Brier score, paired, candidate minus champion
    design_effect: Annotated[Figure, Field(ge=1.0)] = 1.0  # correlated outcomes that tell as much as one alone (Kish)
    error_margin: Share = 0.005  # share of errors the candidate may have above the champion's
    # population stability index between both versions' scores above which it fails
    prediction_shift_psi: Annotated[Figure, Field(gt=0)] = 1.0
    alpha: Annotated[Figure, Field(gt=0.0, lt=0.5)] = 0.01  # chance of a false alarm or a false pass, per guardrail

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

    name: Annotated[str, Field(pattern=NAME)]  # of the model; equals the file's name
    owner: Annotated[str, Field(min_length=1)]  # who answers for it
    description: str = ""  # the question it answers
    unit: Annotated[str, Field(min_length=1)]  # what one decision is about, and what assignment to a version sticks to
    target: Target  # what is predicted
    features: Annotated[tuple[Feature, ...], Field(min_length=1)]  # what it is predicted from
    data: Source  # where labelled rows come from
    decision: DecisionRule  # what is done at which score
    slo: Objectives = Objectives()  # what callers were promised
    training: Training = Training()  # how a version is made
    serving: Serving = Serving()  # how it is served
    monitor: Monitor = Monitor()  # what is a breach
    retrain: Retrain = Retrain()  # when a breach becomes a retraining
    rollout: Plan = Plan()  # how a candidate proves itself

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
