"""Declaration of a model: one frozen, fully validated record per YAML in `configs/models/`."""

from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from windvane.configs.complaint import nearest
from windvane.configs.decision import Action as Action
from windvane.configs.decision import DecisionRule as DecisionRule
from windvane.configs.declared import COLUMN as COLUMN
from windvane.configs.declared import NAME as NAME
from windvane.configs.declared import Declared as Declared
from windvane.configs.declared import repeated
from windvane.configs.declared import wrong as wrong
from windvane.configs.feature import Attribute as Attribute
from windvane.configs.feature import Feature as Feature
from windvane.configs.feature import Wording as Wording
from windvane.configs.governance import ExplanationPolicy as ExplanationPolicy
from windvane.configs.governance import Purpose as Purpose
from windvane.configs.quantities import Count, Duration, Figure, Flag, Moment, Share, Whole
from windvane.configs.settings import Settings as Settings
from windvane.configs.source import Source as Source

RESERVED = frozenset({"label", "event_time", "subject"})  # what the decision log calls a row's other columns


class Target(Declared):
    """Prediction of the model: the probability that `name` is true."""

    name: Annotated[str, Field(pattern=COLUMN)]  # column of the label
    kind: Literal["binary"] = "binary"  # two outcomes, the only kind so far
    description: str = ""  # what being true means, for people
    positive: str | None = None  # the value that counts as true when the column is text


class Objectives(Declared):
    """Service level: what the service that asks for decisions was promised."""

    latency_p99_ms: Annotated[Figure, Field(gt=0)] = 50.0  # milliseconds in which 99 of 100 answers are given
    error_rate: Share = 0.001  # share of requests that may fail


class Training(Declared):
    """Search, fit and offline comparison of a version."""

    holdout: Duration | None = None  # newest span kept for evaluation; without one `holdout_share` of the rows is kept
    holdout_share: Annotated[Figure, Field(gt=0.0, lt=0.5)] = 0.2  # newest share of rows kept for evaluation
    # spans of newest rows to try learning from; `all` is all of them
    windows: Annotated[tuple[Literal["all"] | Duration, ...], Field(min_length=1)] = ("all",)
    trials: Count = 6  # parameter sets tried at most
    tune_budget: Duration = timedelta(seconds=20)  # time for trying them, wall clock
    max_rounds: Count = 500  # boosting rounds at most; a trial ends earlier when more no longer help
    workers: Count = 1  # Ray Train workers of the final fit
    bootstrap: Annotated[Whole, Field(ge=50)] = 200  # resamples behind every interval of an evaluation
    margin: Annotated[Figure, Field(ge=0.0)] = 0.002  # log loss a candidate may lose to the champion offline
    seed: Whole = 7  # makes a training repeatable


class Serving(Declared):
    """Settings by which the Gateway answers."""

    min_replicas: Count = 1  # gateway replicas kept
    max_replicas: Count = 2  # gateway replicas at most
    target_ongoing_requests: Count = 24  # requests in flight per replica that autoscaling aims at; a quarter more go in
    num_cpus: Annotated[Figure, Field(ge=0.0)] = 0.1  # CPUs Ray reserves per replica
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
    # a champion is held to what its scores promise: windows between two false alarms, at least, all promises together
    false_alarm_windows: Count = 20_000
    # limits beside that, none by default: fall of AUC below the reference above which it is a breach
    auc_drop: Share | None = None
    brier_rise: Share | None = None  # rise of the Brier score above the reference above which it is a breach


class Retrain(Declared):
    """Rules from breach to retraining; durations on event time, `retry_after` and `job_timeout` on the wall clock."""

    on: tuple[Literal["drift", "performance"], ...] = ("drift", "performance")  # which breaches count
    persistence: Count = 2  # windows in a row that must breach
    cool_down: Duration = timedelta(0)  # event time between two retrainings; a broken promise waits for labels anyway
    min_labels: Count = 500  # outcomes known since a change began before a retraining makes sense
    # times as many labels as the champion has learnt from, at which it is trained anew; never without one
    growth: Annotated[Figure, Field(gt=1.0)] | None = 1.1
    daily_budget: Count = 8  # retrainings in 24 h of wall clock that came to nothing before the next has to wait
    schedule: Duration | None = None  # retrain this often whatever is seen; never without one
    max_attempts: Count = 3  # how often a failed job is started in all
    retry_after: Duration = timedelta(seconds=30)  # wait before the second attempt, doubled each time
    job_timeout: Duration = timedelta(minutes=30)  # a job that runs longer is ended and has failed


class Step(Declared):
    """One canary step: the candidate's weight and what has to be seen before the next."""

    weight: Annotated[Figure, Field(gt=0.0, le=1.0)]  # share of units the candidate answers
    # wall clock time the step lasts at least; without one as long as 1,000 decisions take, from 10 s to 1 h
    min_duration: Duration | None = None
    # candidate decisions it needs at least; without one an hour's of all traffic, from 20 to 200
    min_decisions: Count | None = None


class Plan(Declared):
    """Shadow, canary steps, full, bake; blue/green is one step of weight 1."""

    shadow: Flag = True  # score the candidate on every request before it answers any
    # whether somebody other than who asked for it must approve a candidate before it answers any request
    approval: Literal["none", "required"] = "none"
    # paired outcomes before the loss guardrail can pass; without one a day's, from 200 to 1,000
    min_outcomes: Count | None = None
    # wall clock time the shadow phase lasts at least; without one as long as 1,000 decisions take, from 10 s to 1 h
    shadow_min_duration: Duration | None = None
    # canary steps, the last of weight 1.0
    steps: Annotated[tuple[Step, ...], Field(min_length=1)] = (
        Step(weight=0.1),
        Step(weight=0.5),
        Step(weight=1.0),
    )
    # wall clock time the candidate answers everything before it is champion; without one twice that of a step
    bake: Duration | None = None
    rollback_window: Duration = timedelta(hours=24)  # time the old champion stays loaded after a promotion
    # longest wait for a verdict in a phase; without one the delay of labels and, from 1 to 30 days, 20,000 outcomes
    max_phase: Duration | None = None
    # Brier score, paired, that the candidate may lose to the champion; without one 2 % of the champion's own
    loss_margin: Annotated[Figure, Field(ge=0.0)] | None = None
    design_effect: Annotated[Figure, Field(ge=1.0)] = 1.0  # correlated outcomes that tell as much as one alone (Kish)
    error_margin: Share = 0.005  # share of errors the candidate may have above the champion's
    # population stability index between both versions' scores above which a step waits for outcomes
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
    review_by: Moment | None = None  # when its owner must have looked at it again
    purposes: tuple[Purpose, ...] = ()  # what its decisions may be used for
    # what it is not fit for and what cannot be concluded from it, in words; stands on the card of every version
    limits: tuple[Annotated[str, Field(min_length=1, max_length=500)], ...] = ()
    # how long decisions are kept in the log; for ever without one
    retention: Duration | None = None
    unit: Annotated[str, Field(min_length=1)]  # what one decision is about, and what assignment to a version sticks to
    target: Target  # what is predicted
    features: Annotated[tuple[Feature, ...], Field(min_length=1)]  # what it is predicted from
    audit: tuple[Attribute, ...] = ()  # what versions are audited by, and never see
    data: Source  # where labelled rows come from
    decision: DecisionRule  # what is done at which score
    explanation: ExplanationPolicy = ExplanationPolicy()  # what is owed with an adverse action
    slo: Objectives = Objectives()  # what callers were promised
    training: Training = Training()  # how a version is made
    serving: Serving = Serving()  # how it is served
    monitor: Monitor = Monitor()  # what is a breach
    retrain: Retrain = Retrain()  # when a breach becomes a retraining
    rollout: Plan = Plan()  # how a candidate proves itself

    @model_validator(mode="after")
    def _names_are_distinct(self) -> Self:
        names = [feature.name.casefold() for feature in self.features]  # SQL columns differ by more than case
        if (again := repeated(names)) is not None:
            raise wrong("another feature has this name", "features", again, "name")
        for position, name in enumerate(names):
            if name in RESERVED:
                raise wrong("the decision log uses this name itself; rename the column", "features", position, "name")
        if self.target.name.casefold() in names:
            raise wrong(
                f"{self.target.name!r} is also a feature, which would tell the model the answer", "target", "name"
            )
        for role in ("time", "known", "subject"):
            column = getattr(self.data, role)
            if column is not None and column.casefold() in names:
                raise wrong(f"{column!r} is also a feature; take it from one of the two", "data", role)
        return self

    @model_validator(mode="after")
    def _audited_is_no_feature(self) -> Self:
        names = [attribute.name.casefold() for attribute in self.audit]
        if (again := repeated(names)) is not None:
            raise wrong("another audited column has this name", "audit", again, "name")
        taken = {self.target.name: "the target", self.data.time: "the event time", self.data.subject: "the subject"}
        taken[self.data.known] = "when the label became known"
        for place, attribute in enumerate(self.audit):
            for name, role in taken.items():
                if name is not None and name.casefold() == names[place]:
                    raise wrong(f"{attribute.name!r} is {role}, which is no group to compare", "audit", place, "name")
        kept = {name: attribute.name for name, attribute in zip(names, self.audit, strict=True)}
        kept |= {proxy.casefold(): attribute.name for attribute in self.audit for proxy in attribute.proxies}
        for place, feature in enumerate(self.features):
            why = kept.get(feature.name.casefold())
            if why is not None:
                told = "" if why.casefold() == feature.name.casefold() else f"tells {why!r}, which "
                raise wrong(
                    f"{feature.name!r} {told}stands under `audit` and may not decide", "features", place, "name"
                )
        return self

    @model_validator(mode="after")
    def _adverse_can_be_explained(self) -> Self:
        policy, adverse = self.explanation, self.decision.adverse
        hoped = [action.name for action in self.decision.actions if not action.adverse]
        if policy.aim is not None and policy.aim not in hoped:
            what = (
                f"is adverse; {', '.join(hoped)} would do"
                if policy.aim in adverse
                else f"is none of {', '.join(hoped)}"
            )
            raise wrong(f"{policy.aim!r} {what}", "explanation", "aim", nearest=nearest(policy.aim, hoped))
        for field in ("counterfactual", "aim"):
            if getattr(policy, field) and not adverse:
                raise wrong("no action is `adverse`, so it would never be used", "explanation", field)
        if policy.counterfactual and all(feature.mutable is False for feature in self.features):
            raise wrong("no feature is `mutable`, so none could ever be found", "explanation", "counterfactual")
        side = "raises" if self.decision.adverse_is_high else "lowers"
        silent = [place for place, feature in enumerate(self.features) if not getattr(feature.reason, side)]
        if adverse and silent:
            others = ", ".join(repr(self.features[place].name) for place in silent[1:])
            what = f"is missing; it is what people are told when it led to {' or '.join(map(repr, adverse))}"
            raise wrong(what + (f" (missing too: {others})" if others else ""), "features", silent[0], "reason", side)
        return self

    @model_validator(mode="after")
    def _uses_are_clear(self) -> Self:
        if (again := repeated([purpose.name for purpose in self.purposes])) is not None:
            raise wrong("another purpose has this name", "purposes", again, "name")
        if self.retention == timedelta(0):
            raise wrong("keeps no decision at all; leave it out to keep them for ever", "retention")
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
