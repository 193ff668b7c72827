"""The whole job on fakes: what it registers, as what, and whom it tells."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pytest
import xgboost

from tests.worlds import figures
from tests.worlds.log.vault import open_vault
from windvane.backtest.memory import MemoryRegistry, MemoryStore
from windvane.cluster.bundle import Bundle
from windvane.cluster.errors import Invalid, WindvaneError
from windvane.cluster.model_card import read_card
from windvane.cluster.registry import Registration, Version
from windvane.cluster.storage.storage import Storage
from windvane.configs.schema import ModelSpec
from windvane.monitoring.counts.profile import Profile
from windvane.monitoring.loop.requests import Wanted, open_request, shelf
from windvane.training import retrain as job
from windvane.training.engines.local_engine import LocalEngine
from windvane.training.export.export import check, export, probes, sample, to_onnx
from windvane.training.fit.engine import Fitted, SearchResult, Trial, Work
from windvane.training.fit.growing import grown
from windvane.training.fit.settings import FitSettings
from windvane.training.order import Order
from windvane.training.progress import Progress
from windvane.training.retrain import Workplace, retrain
from windvane.training.rows.examples import Examples, encode
from windvane.training.training_pipeline import make

NOW = datetime(2024, 6, 1, tzinfo=UTC)


class PlainEngine(LocalEngine):
    """Fits at once in this process with the settings it is given."""

    def __init__(self, settings: FitSettings) -> None:
        super().__init__()
        self._settings = settings

    def search(self, learn: Examples, check: Examples, work: Work) -> SearchResult:
        assert learn.times[-1] < check.times[0]
        return SearchResult(self._settings, (Trial(self._settings, 0.5),))


class SearchedRows(PlainEngine):
    """Keeps the rows that it searched with."""

    def search(self, learn: Examples, check: Examples, work: Work) -> SearchResult:
        self.learn, self.check = learn, check
        return super().search(learn, check, work)


class PlainPictures:
    """Draws nothing, at once."""

    def warm_up(self) -> None:
        pass

    def draw(self, folder: Path, *_: object) -> None:
        (folder / "roc.png").write_bytes(b"")


class KeptRegistrations(MemoryRegistry):
    """Remembers what it was told beside the version."""

    def register(self, registration: Registration, bundle: Path, extras: Path | None = None) -> Version:
        self.registration = registration
        self.extras = sorted(path.name for path in extras.iterdir()) if extras else []
        return super().register(registration, bundle, extras)


def kept(place: Workplace) -> KeptRegistrations:
    """Registry, with what it was told."""
    assert isinstance(place.storage.registry, KeptRegistrations)
    return place.storage.registry


GOOD = FitSettings(start="none", max_depth=3, min_child_weight=5, rounds=20)


@pytest.fixture
def place(tmp_path: Path) -> Workplace:
    registry, vault = KeptRegistrations(root=tmp_path / "registry"), open_vault(tmp_path)
    return Workplace(Storage(tmp_path, MemoryStore(), registry, vault), PlainEngine(GOOD), PlainPictures())


def write_rows(path: Path, days: int, unit: float = 1.0, seed: int = 5, flips: int | None = None) -> Path:
    """Ten rows a day; `bad` is likelier the lower the income, written in `unit`; the higher from day `flips` on."""
    random = np.random.default_rng(seed)
    income = random.normal(50, 15, 10 * days)
    direction = np.where(np.arange(10 * days) < 10 * (days if flips is None else flips), 1.0, -1.0)
    bad = random.random(10 * days) < 1 / (1 + np.exp(direction * (income - 45) / 5))
    lines = [
        f"{(NOW + timedelta(days=i // 10)).date()},{income[i] * unit:.3f},{int(bad[i])},{'AB'[i % 2]}"
        for i in range(10 * days)
    ]
    path.write_text("day,income,bad,branch\n" + "\n".join(lines) + "\n")
    return path


def loans(source: Path, until: str | None = None) -> ModelSpec:
    return ModelSpec.model_validate(
        {
            "name": "loans",
            "owner": "credit",
            "unit": "customer",
            "target": {"name": "bad"},
            "features": [
                {"name": "income", "type": "number", "missing": True},
                {"name": "branch", "type": "category", "categories": ["A", "B"]},
            ],
            "data": {"source": str(source), "time": "day", "until": until},
            "decision": {"actions": [{"name": "grant", "at_least": 0.0, "cost_if_true": 5}]},
            "training": {"holdout": "20d", "bootstrap": 50},
        }
    )


def silent() -> Progress:
    return Progress(lambda: 0.0, lambda _: None)


def test_a_bundle_of_a_lost_version_of_the_same_number_is_not_served_in_its_place(
    place: Workplace, tmp_path: Path
) -> None:
    """The registry was restored from a backup, and what this machine had fetched of it was not."""
    spec = loans(write_rows(tmp_path / "rows.csv", 80))
    lost, other = (tmp_path / "cache" / "versions" / "loans" / number for number in ("1", "7"))
    for folder in (lost, other):
        folder.mkdir(parents=True)
    assert retrain(Order("loans", "first"), spec, place, silent()).number == 1
    assert (lost.exists(), other.exists()) == (False, True)


def test_the_first_version_becomes_champion_with_a_bundle_that_opens(place: Workplace, tmp_path: Path) -> None:
    spec = loans(write_rows(tmp_path / "rows.csv", 80))
    version = retrain(Order("loans", "first"), spec, place, silent())
    assert (version.number, version.standing, version.parent, version.reason) == (1, "champion", None, "first")
    assert place.storage.registry.champion("loans") == 1
    bundle = Bundle.open(place.storage.registry.fetch("loans", 1, tmp_path / "fetched"))
    assert bundle.spec == spec
    assert bundle.manifest.max_onnx_difference < 1e-5
    assert bundle.manifest.trees == 20
    profile = Profile.from_json(bundle.profile_path.read_bytes())
    assert sum(profile.features[0].counts) == 800
    assert profile.performance.auc is not None
    assert profile.performance.auc > 0.7
    assert kept(place).extras == ["card.md", "roc.png"]
    assert bundle.card_path is not None
    card = read_card(bundle.card_path.read_bytes())
    assert (card.model, card.owner, card.rows.learnt, card.rows.digest) == (
        *("loans", "credit", 800),
        kept(place).registration.tags["data_sha256"],
    )
    assert card.metrics["auc"].value == version.metrics["auc"]
    tags = kept(place).registration.tags
    assert {"data_sha256", "code_revision", "environment", "spec_sha256", "source", "gate"} <= set(tags)
    assert version.metrics["auc_low"] < version.metrics["auc"] < version.metrics["auc_high"]
    assert not list((tmp_path / "scratch").iterdir())


def test_the_same_rows_again_are_no_change_although_the_champion_knows_them_by_heart(
    place: Workplace, tmp_path: Path
) -> None:
    spec = loans(write_rows(tmp_path / "rows.csv", 80))
    retrain(Order("loans"), spec, place, silent())
    again = retrain(Order("loans"), spec, place, silent())
    assert (again.standing, again.parent) == ("rejected", 1)
    assert kept(place).registration.tags["gate"].startswith("no change: it scores all 210 rows")
    accepted = retrain(Order("loans", accept=True), spec, place, silent())
    assert accepted.standing == "candidate"
    assert again.metrics["difference_log_loss"] == 0.0
    assert place.storage.registry.champion("loans") == 1


def test_a_clearly_worse_version_is_rejected_and_an_override_is_recorded(place: Workplace, tmp_path: Path) -> None:
    spec = loans(write_rows(tmp_path / "rows.csv", 80))
    retrain(Order("loans"), spec, place, silent())
    blind = replace(place, engine=PlainEngine(replace(GOOD, eta=0.001, rounds=2)))
    assert retrain(Order("loans"), spec, blind, silent()).standing == "rejected"
    overridden = retrain(Order("loans", accept=True), spec, blind, silent())
    assert overridden.standing == "candidate"
    assert kept(place).registration.tags["gate_overridden"] == "yes"
    told = [event for event in place.storage.store.events("loans") if event.kind == "registered"]
    assert [event.facts["standing"] for event in told] == ["champion", "rejected", "candidate"]
    assert "accepted by the operator" in told[-1].detail


def test_a_unit_error_in_another_source_shows_on_the_declared_rows(place: Workplace, tmp_path: Path) -> None:
    spec = loans(write_rows(tmp_path / "rows.csv", 80))
    retrain(Order("loans"), spec, place, silent())
    cents = write_rows(tmp_path / "cents.csv", 80, unit=100.0)
    version = retrain(Order("loans", source=str(cents)), spec, place, silent())
    assert version.standing == "rejected"
    assert version.metrics["brier"] > version.metrics["champion_brier"] + 0.1
    assert kept(place).registration.tags["source"] == str(cents)


def test_a_request_gets_its_version_its_findings_and_no_second_version(place: Workplace, tmp_path: Path) -> None:
    spec = loans(write_rows(tmp_path / "rows.csv", 80))
    request, _ = open_request(
        place.storage.store, "loans", Wanted("findings", "income drifted", ("psi of income 0.4",), NOW)
    )
    order = Order("loans", request.reason, request.request_id)
    version = retrain(order, spec, place, silent())
    saved, _ = shelf(place.storage.store).load(request.key)
    assert saved is not None
    assert saved.version == version.number == 1
    assert kept(place).registration.tags["findings"] == "psi of income 0.4"
    assert retrain(order, spec, place, silent()) == version
    assert len(place.storage.registry.versions("loans")) == 1
    assert [event.kind for event in place.storage.store.events("loans")].count("registered") == 1


def test_a_job_that_died_after_registering_still_hands_over(place: Workplace, tmp_path: Path) -> None:
    spec = loans(write_rows(tmp_path / "rows.csv", 80))
    request, _ = open_request(place.storage.store, "loans", Wanted("manual", "by hand", (), NOW))
    order = Order("loans", request.reason, request.request_id)
    retrain(order, spec, place, silent())
    after_a_crash = replace(place, storage=replace(place.storage, store=MemoryStore()))
    open_request(after_a_crash.storage.store, "loans", Wanted("manual", "by hand", (), NOW))
    retrain(order, spec, after_a_crash, silent())
    saved, _ = shelf(after_a_crash.storage.store).load(request.key)
    assert saved is not None
    assert saved.version == 1
    assert [event.version for event in after_a_crash.storage.store.events("loans") if event.kind == "registered"] == [1]


def test_the_moment_of_a_change_cuts_the_rows_that_an_order_learns_from(place: Workplace, tmp_path: Path) -> None:
    """The newest rows since the change check and judge, and none before it teaches where the world has flipped."""
    spec = loans(write_rows(tmp_path / "rows.csv", 120, flips=60))
    engine = SearchedRows(GOOD)
    version = retrain(Order("loans", since=NOW + timedelta(days=60)), spec, replace(place, engine=engine), silent())
    day = 86_400.0
    from_start = [
        (float(part.times[end]) - NOW.timestamp()) / day for part in (engine.learn, engine.check) for end in (0, -1)
    ]
    assert from_start == [60.0, 89.0, 90.0, 101.0]
    bundle = Bundle.open(place.storage.registry.fetch("loans", version.number, tmp_path / "fetched"))
    assert bundle.manifest.judged_until == NOW.timestamp() + 102 * day
    assert version.metrics["auc"] > 0.7
    blind = SearchedRows(GOOD)
    retrain(Order("loans"), spec, replace(place, engine=blind), silent())
    assert (blind.check.times[-1] - NOW.timestamp()) / day == 98.0, "training.holdout, and not a share of the change"


def test_too_few_rows_are_refused_before_anything_is_searched(place: Workplace, tmp_path: Path) -> None:
    class NoEngine(PlainEngine):
        def search(self, learn: Examples, check: Examples, work: Work) -> SearchResult:
            raise AssertionError("40 rows were searched")

    spec = loans(write_rows(tmp_path / "rows.csv", 4))
    with pytest.raises(Invalid, match=r"40 labelled rows, .* are too few: training needs 100, with 10 of each"):
        retrain(Order("loans"), spec, replace(place, engine=NoEngine(GOOD)), silent())
    assert place.storage.registry.versions("loans") == ()
    assert not list((tmp_path / "scratch").iterdir())


def test_a_job_that_meets_a_foreign_error_ends_in_a_sentence_without_its_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    subject = "N725MQ"

    def load(*_: object) -> ModelSpec:
        raise KeyError(subject)

    monkeypatch.setenv("WINDVANE_HOME", str(tmp_path))
    monkeypatch.setattr(job, "load_model", load)
    assert job.main(["--model", "loans"]) == 1
    printed = capsys.readouterr()
    assert "FAILED: This should not have happened: KeyError at training/test_retrain.py:" in printed.out
    assert f"; its traceback is in {tmp_path}/errors.log: send it with a report\n" in printed.out
    assert subject not in printed.out + printed.err + (tmp_path / "errors.log").read_text()


def test_a_job_whose_error_has_a_sentence_ends_in_it(
    place: Workplace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WINDVANE_HOME", str(tmp_path))
    monkeypatch.setattr(job, "load_model", lambda *_: loans(write_rows(tmp_path / "rows.csv", 4)))
    monkeypatch.setattr(job, "job_storage", lambda _: nullcontext(place.storage))
    assert job.main(["--model", "loans"]) == 1
    assert "FAILED: Model loans: 40 labelled rows, " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("n", "label"),
    [
        (400, lambda x: x > 0.9),
        (2000, lambda x: x >= np.sort(x)[-62]),
        (150, lambda x: x > np.median(x)),
        (250, lambda x: x > np.median(x)),
    ],
    ids=["one in ten", "62 true", "150 rows", "250 rows"],
)
def test_what_one_column_tells_is_learnt_from_few_rows_and_served_alike(
    tmp_path: Path, n: int, label: Callable[[np.ndarray], np.ndarray]
) -> None:
    """At default settings these ended at an AUC of .5, or at an ONNX model unlike its booster."""
    x = np.random.default_rng(0).random(n)
    labels = label(x)
    fields = loans(tmp_path / "rows.csv").model_dump(exclude={"training", "features", "data"}, exclude_unset=True)
    spec = ModelSpec.model_validate(
        {
            **fields,
            "features": [{"name": "x", "type": "number"}],
            "data": {"source": "rows.csv"},
            "training": {"trials": 1},
        }
    )
    table = pa.table({"x": x, "bad": labels})
    rows = encode(table, spec)
    made = make(spec, rows, rows, None, LocalEngine())
    assert made.ruling.standing == "champion"
    assert figures.auc(made.held.labels, made.ours) > 0.95
    (tmp_path / "model.onnx").write_bytes(to_onnx(made.fitted.served, 1))
    assert check(tmp_path / "model.onnx", made.fitted.served, probes(rows.rows, spec)).max_difference < 1e-5


def test_a_champion_whose_feature_is_gone_is_not_compared(place: Workplace, tmp_path: Path) -> None:
    spec = loans(write_rows(tmp_path / "rows.csv", 80))
    retrain(Order("loans"), spec, place, silent())
    narrow = spec.model_copy(update={"features": spec.features[:1]})
    version = retrain(Order("loans"), narrow, place, silent())
    assert version.standing == "candidate"
    assert "champion 1 needs 'branch'" in kept(place).registration.tags["gate"]


def test_onnx_and_booster_agree_on_holes_unknown_and_extreme_rows(tmp_path: Path) -> None:
    spec = loans(write_rows(tmp_path / "rows.csv", 80))
    random = np.random.default_rng(1)
    rows = np.column_stack([random.normal(50, 15, 500), random.integers(0, 4, 500)]).astype(np.float32)
    booster = xgboost.train(GOOD.booster_parameters(1, 1), xgboost.DMatrix(rows, rows[:, 0] < 45), 20)
    (tmp_path / "model.onnx").write_bytes(to_onnx(booster, 2))
    tried = probes(rows, spec)
    assert np.isnan(tried[:, 0]).sum() > 100
    assert check(tmp_path / "model.onnx", booster, tried).max_difference < 1e-6
    other = xgboost.train(GOOD.booster_parameters(1, 1), xgboost.DMatrix(rows, rows[:, 0] > 45), 20)
    with pytest.raises(WindvaneError, match="cannot be served"):
        check(tmp_path / "model.onnx", other, tried)


def test_a_booster_that_never_splits_is_refused_in_a_sentence() -> None:
    rows = np.ones((60, 2), np.float32)
    booster = xgboost.train(GOOD.booster_parameters(1, 1), xgboost.DMatrix(rows, np.arange(60) < 9), 3)
    with pytest.raises(Invalid, match="gives every row the same score: no feature differs"):
        to_onnx(booster, 2)


def test_boosters_of_few_rows_and_rare_outcomes_agree_with_their_onnx(tmp_path: Path) -> None:
    spec = loans(write_rows(tmp_path / "rows.csv", 80))
    random = np.random.default_rng(1)
    for true, rounds in ((11, 5), (60, 0), (300, 5)):
        rows = np.column_stack([random.random(600), random.integers(0, 4, 600)]).astype(np.float32)
        labels = rows[:, 0] >= np.sort(rows[:, 0])[-true]
        learnt = Examples(pa.table({"n": np.arange(600)}), rows, labels, np.arange(600.0), frozenset({1}))
        booster = grown(FitSettings(rounds=rounds, min_child_weight=0.1), learnt, 7, 1)
        (tmp_path / "model.onnx").write_bytes(to_onnx(booster, 2))
        assert check(tmp_path / "model.onnx", booster, probes(rows, spec)).max_difference < 1e-6
        assert figures.auc(labels, booster.inplace_predict(rows).astype(np.float64)) > 0.99


def test_the_reference_sample_is_spread_over_time_and_leaves_personal_features_behind(tmp_path: Path) -> None:
    spec = loans(write_rows(tmp_path / "rows.csv", 80))
    first, second = spec.features[:2]
    secretive = spec.model_copy(update={"features": (first, second.model_copy(update={"personal": True}))})
    table = pa.table({first.name: np.arange(20_000.0), second.name: ["x"] * 20_000})
    kept = sample(Examples(table, np.zeros((20_000, 2), np.float32), np.zeros(20_000, bool), np.arange(2e4)), secretive)
    assert kept.num_rows == 5000
    assert kept[first.name].to_pylist()[::4999] == [0.0, 19_999.0]
    assert kept[second.name].null_count == 5000


def test_a_bundle_keeps_no_password(tmp_path: Path, place: Workplace) -> None:
    rows = write_rows(tmp_path / "rows.csv", 80)
    spec = loans(rows)
    secret = spec.data.model_copy(update={"source": "postgresql://reader:secret@db/loans", "query": "select 1"})
    examples = np.zeros((60, 2), np.float32)
    examples[:30, 0] = 1
    labels = examples[:, 0] > 0
    booster = xgboost.train(GOOD.booster_parameters(1, 1), xgboost.DMatrix(examples, labels), 2)
    profile = Profile.learn(spec.features, examples, np.linspace(0, 1, 60), labels)
    names = [feature.name for feature in spec.features]
    table = pa.table({names[0]: examples[:, 0], names[1]: ["a"] * 60})
    learnt = Examples(table, examples, labels, np.arange(60.0))
    folder = tmp_path / "bundle"
    folder.mkdir()
    export(Fitted(booster, booster), spec.model_copy(update={"data": secret}), profile, learnt, 40.0, folder)
    assert b"secret" not in b"".join(path.read_bytes() for path in folder.iterdir())
    assert msgspec.json.decode((folder / "manifest.json").read_bytes())["judged_until"] == 40.0
