"""The mortgage example: its rows, its declaration, and what a small booster of a fixed seed tells the declined."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import xgboost
from numpy.typing import NDArray

from windvane.cluster.decision_log.grounds import NoneFound
from windvane.cluster.decision_log.record import Value
from windvane.cluster.encoding import Encoder
from windvane.configs.feature import Attribute, Feature
from windvane.configs.load import load_model, load_settings, validate_file
from windvane.configs.schema import ModelSpec
from windvane.examples import mortgages as example
from windvane.monitoring.counts.profile import Profile
from windvane.serve_apps.versions.booster.forest import read_forest
from windvane.serve_apps.versions.reasons.counterfactual import Counterfactuals
from windvane.serve_apps.versions.reasons.wording import Reasons
from windvane.serve_apps.versions.thresholds import Thresholds
from windvane.serve_apps.versions.treeshap.quadrature import Quadrature
from windvane.serve_apps.versions.treewalk.walk import Walk
from windvane.training.rows.examples import Examples
from windvane.training.rows.labelled_rows import gather

PARAMETERS = {
    "objective": "binary:logistic",
    "max_depth": 3,
    "eta": 0.06,
    "min_child_weight": 8.0,
    "subsample": 0.8,
    "colsample_bytree": 0.7,
    "reg_lambda": 5.0,
    "nthread": 1,
    "seed": 7,
}


@pytest.fixture(scope="module")
def applications() -> pa.Table:
    return example.load()


@pytest.fixture(scope="module")
def spec() -> ModelSpec:
    return load_model("mortgage", load_settings({}))


@dataclass(frozen=True, slots=True)
class Version:
    """Version as a replica would hold it, and the rows it is tried on."""

    booster: xgboost.Booster
    examples: Examples
    contributions: NDArray[np.float64]
    counterfactuals: Counterfactuals
    declined: Sequence[int]
    records: Sequence[tuple[Value, ...]]


@pytest.fixture(scope="module")
def version(spec: ModelSpec) -> Version:
    drawn = gather(spec)
    order = np.argsort(drawn.table.column("applicant").to_numpy())
    examples = replace(drawn, table=drawn.table.take(order), rows=drawn.rows[order], labels=drawn.labels[order])
    learn = int(0.8 * len(examples))
    matrix = xgboost.DMatrix(examples.rows[:learn], examples.labels[:learn], nthread=1)
    booster = xgboost.train(PARAMETERS, matrix, num_boost_round=90)
    forest = read_forest(bytes(booster.save_raw("ubj")))
    walk = Walk(forest)
    scores = walk.probabilities(examples.rows)
    profile = Profile.learn(spec.features, examples.rows[:learn], scores[learn:], examples.labels[learn:])
    names = [feature.name for feature in spec.features]
    rulings = Thresholds(spec.decision).rule(scores.tolist())
    return Version(
        booster=booster,
        examples=examples,
        contributions=Quadrature(forest).contributions(examples.rows)[:, 0, :],
        counterfactuals=Counterfactuals(spec, Encoder(spec.features), forest, walk.probabilities, profile),
        declined=[place for place, (action, _) in enumerate(rulings) if action == "decline"],
        records=[tuple(row.values()) for row in examples.table.select(names).to_pylist()],
    )


def test_every_application_is_there_with_what_the_lender_did(applications: pa.Table) -> None:
    assert applications.num_rows == 1989
    assert pc.sum(applications.column("rejected")).as_py() == 244
    assert len(applications.column("applicant").unique()) == 1989
    counts = {pair["values"]: pair["counts"] for pair in applications.column("race").value_counts().to_pylist()}
    assert counts == {"white": 1681, "black": 197, "hispanic": 111}


def test_a_known_application_is_read_as_the_file_has_it(applications: pa.Table) -> None:
    second = applications.slice(1, 1).to_pylist()[0]
    assert (second["applicant"], second["race"], second["gender"], second["rejected"]) == (
        "B0002",
        "white",
        "male",
        True,
    )
    assert (second["obligations_ratio"], second["housing_ratio"], second["loan_to_price"]) == (34.1, 22.54, 80.0)
    assert (second["consumer_credit"], second["mortgage_credit"]) == ("one or two slow", "none late")


def test_a_million_of_liquid_assets_is_none_stated(applications: pa.Table) -> None:
    assets = applications.column("liquid_assets")
    assert assets.null_count == 9
    assert pc.max(assets).as_py() == 8650.0


def test_the_declaration_names_every_column_and_holds_every_value(applications: pa.Table, spec: ModelSpec) -> None:
    declared: list[Feature | Attribute] = [*spec.features, *spec.audit]
    names = {column.name for column in declared} | {spec.target.name, str(spec.data.subject)}
    assert names == set(applications.column_names)
    for column in declared:
        values = applications.column(column.name)
        assert column.missing == (values.null_count > 0)
        if column.type == "category":
            assert set(values.drop_null().unique().to_pylist()) == set(column.categories)
    for feature in spec.features:
        if feature.type in ("number", "integer"):
            extremes = pc.min_max(applications.column(feature.name)).as_py()
            assert feature.min is not None
            assert feature.max is not None
            assert feature.min <= extremes["min"] <= extremes["max"] <= feature.max


@pytest.mark.parametrize("column", ["race", "Gender", "min30", "hispan", "dep"])
def test_what_is_protected_or_tells_it_cannot_become_a_feature(tmp_path: Path, spec: ModelSpec, column: str) -> None:
    text = (Path(load_settings({}).models_dir) / "mortgage.yaml").read_text()
    file = tmp_path / "mortgage.yaml"
    file.write_text(
        text.replace("features:\n", f"features:\n  - {{name: {column}, type: number, reason: {{raises: x}}}}\n")
    )
    [complaint] = validate_file(file)
    assert complaint.path == "features[0].name"
    assert complaint.what.endswith("stands under `audit` and may not decide")
    assert "features:\n" in text


def test_the_base_value_and_the_contributions_are_the_margin(version: Version) -> None:
    margins = version.booster.inplace_predict(version.examples.rows, predict_type="margin")
    assert np.abs(version.contributions.sum(axis=1) - margins).max() < 1e-4


def test_declined_applications_were_mostly_rejected(version: Version) -> None:
    assert 40 < len(version.declined) < 120
    assert version.examples.labels[version.declined].mean() > 0.6


def test_every_declined_application_is_told_why(spec: ModelSpec, version: Version) -> None:
    reasons = Reasons(spec, Encoder(spec.features).names)
    for place in version.declined:
        told = reasons.adverse(version.records[place], tuple(version.contributions[place].tolist()))
        assert 1 <= len(told) <= 4
        assert all(reason.weight > 0.0 and "{" not in reason.text for reason in told)
        largest = spec.features[int(np.argmax(version.contributions[place, 1:]))]
        assert told[0].feature == largest.name


def test_bankruptcy_and_late_payments_are_what_most_are_told_first(spec: ModelSpec, version: Version) -> None:
    reasons = Reasons(spec, Encoder(spec.features).names)
    first = [
        reasons.adverse(version.records[p], version.contributions[p].tolist())[0].feature for p in version.declined
    ]
    known = {"bankruptcy", "consumer_credit", "obligations_ratio", "loan_to_price", "unverified"}
    assert sum(name in known for name in first) > 0.9 * len(first)


def test_every_counterfactual_flips_the_booster_itself_by_changes_that_are_allowed(
    spec: ModelSpec, version: Version
) -> None:
    encoder, found = Encoder(spec.features), 0
    for place in version.declined:
        record = version.records[place]
        answer = version.counterfactuals.find(record)
        assert answer.rows <= spec.explanation.search_rows
        if isinstance(answer, NoneFound):
            continue
        found += 1
        changed = dict(zip(encoder.names, record, strict=True))
        for change in answer.changes:
            feature = spec.feature(change.feature)
            assert feature.mutable is not False
            assert changed[change.feature] == change.before
            assert change.before is not None
            assert change.after is not None
            assert (change.after > change.before) == (feature.mutable == "increase")  # type: ignore[operator]
            assert feature.type == "boolean" or (feature.min or 0) <= float(change.after) <= (feature.max or 0)
            changed[change.feature] = change.after
        score = float(version.booster.inplace_predict(encoder.rows([tuple(changed.values())]))[0])
        assert score < 0.5
        assert answer.prediction == pytest.approx(score, abs=1e-6)
        assert answer.action == "refer"
    assert found > 0.9 * len(version.declined)


def test_one_application_from_its_score_to_the_letter(spec: ModelSpec, version: Version) -> None:
    place = max(version.declined, key=lambda p: version.contributions[p].sum())
    record = version.records[place]
    told = Reasons(spec, Encoder(spec.features).names).adverse(record, version.contributions[place].tolist())
    answer = version.counterfactuals.find(record)
    assert [reason.text for reason in told] == [
        "Monthly obligations take 54 % of the income",
        "The consumer credit history shows: 90 days late",
        "Bankruptcy on public record: yes",
        "The loan comes to 95.61 % of the price",
    ]
    assert answer.text == (
        "If obligations ratio had been 40.99 % rather than 54 % and loan to price had been 93.5 % rather than 95.61 % "
        "and liquid assets had been 23 thousand US dollars rather than 14 thousand US dollars, "
        "the action would have been refer."
    )
