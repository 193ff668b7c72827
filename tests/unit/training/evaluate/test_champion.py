"""A champion on file faces a candidate on rows neither has seen, by the booster that lags as the candidate's does."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import xgboost

from windvane.cluster.bundle import BOOSTER, JUDGED, Bundle, Manifest
from windvane.configs.schema import ModelSpec
from windvane.training.evaluate.champion import StoredChampion
from windvane.training.rows.examples import Examples

SPEC = ModelSpec.model_validate(
    {
        "name": "loans",
        "owner": "tests",
        "unit": "customer",
        "target": {"name": "repaid"},
        "features": [{"name": "income", "type": "number"}],
        "data": {"source": "rows.csv", "time": "day"},
        "decision": {"actions": [{"name": "grant", "at_least": 0.0}]},
    }
)
ROWS = Examples(
    pa.table({"income": np.arange(200, dtype=np.float64)}),
    np.arange(200, dtype=np.float32)[:, None],
    np.arange(200) % 3 == 0,
    np.arange(200, dtype=np.float64),
)


def saying(chance: float, path: Path) -> None:
    """A booster that says the same to every row."""
    rows = xgboost.DMatrix(np.zeros((2, 1), np.float32), label=[0, 1])
    xgboost.train({"base_score": chance, "objective": "binary:logistic"}, rows, 0).save_model(path)


@pytest.fixture
def champion(tmp_path: Path) -> StoredChampion:
    saying(0.75, tmp_path / BOOSTER)
    saying(0.25, tmp_path / JUDGED)
    manifest = Manifest({JUDGED: ""}, ("income",), 0, 0, 0.0, 0, {}, trained_until=150.0, judged_until=100.0)
    return StoredChampion(7, Bundle(tmp_path, manifest, SPEC))


def test_rows_that_only_the_served_booster_knows_are_unseen(champion: StoredChampion) -> None:
    assert champion.unseen(ROWS).times.tolist() == list(range(100, 200))


def test_its_judged_booster_answers_newer_rows_too_as_the_candidates_does(champion: StoredChampion) -> None:
    assert champion.score(champion.unseen(ROWS)).tolist() == [0.25] * 100


def test_a_version_without_one_answers_by_its_served_booster_what_came_after_it(champion: StoredChampion) -> None:
    bundle = champion.bundle
    old = StoredChampion(7, replace(bundle, manifest=replace(bundle.manifest, files={}, judged_until=None)))
    assert old.unseen(ROWS).times.tolist() == list(range(151, 200))
    assert old.score(old.unseen(ROWS)).tolist() == [0.75] * 49
    assert old.unable(ROWS) == "champion 7 has learnt from all but 49 of the rows held out: not compared"


def test_a_champion_that_needs_what_is_no_longer_declared_says_so(champion: StoredChampion) -> None:
    gone = replace(ROWS, table=ROWS.table.rename_columns(["salary"]))
    assert champion.unable(gone) == "champion 7 needs 'income', no longer declared: not compared"
