from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import xgboost

from tests.worlds.bundles import SPEC, make_bundle
from windvane.cluster.bundle import Bundle
from windvane.cluster.errors import Invalid, Unavailable
from windvane.configs.schema import Feature, ModelSpec
from windvane.serve_apps.versions import loaded_version
from windvane.serve_apps.versions.loaded_version import LoadedVersion, load_version

ROWS = [(3.5, 1200.0, 1, True, "JFK"), (None, 80.0, 4, False, None), (21.0, 0.0, 0, False, "SFO")]


def served_with(features: Sequence[Feature]) -> ModelSpec:
    return SPEC.model_copy(update={"features": tuple(features)})


def test_scores_are_the_boosters(versions: dict[int, LoadedVersion]) -> None:
    rows, scores = versions[1].score(ROWS)
    booster = xgboost.Booster(model_file=versions[1].bundle.booster_path)
    assert scores == pytest.approx(booster.inplace_predict(rows), abs=1e-6)
    assert scores.dtype == np.float64


def test_one_row_scores_as_it_does_among_others(versions: dict[int, LoadedVersion]) -> None:
    together = versions[1].score(ROWS)[1]
    assert [float(versions[1].score([row])[1][0]) for row in ROWS] == together.tolist()


def test_contributions_add_up_to_the_log_odds_base_value_first(versions: dict[int, LoadedVersion]) -> None:
    rows, scores = versions[1].score(ROWS)
    contributions = versions[1].explain(rows)
    assert contributions.shape == (3, 6)
    assert contributions.sum(axis=1) == pytest.approx(np.log(scores / (1 - scores)), abs=1e-4)
    assert len(set(contributions[:, 0].tolist())) == 1


def test_a_version_trained_in_another_order_scores_the_same(tmp_path: Path, versions: dict[int, LoadedVersion]) -> None:
    served = (*reversed(SPEC.features), Feature(name="new", type="number"))
    version = load_version(1, versions[1].bundle.folder, served_with(served))
    shuffled = [(*reversed(row), 7.0) for row in ROWS]
    assert version.score(shuffled)[1].tolist() == versions[1].score(ROWS)[1].tolist()


def test_a_version_that_needs_what_is_no_longer_declared_is_refused(versions: dict[int, LoadedVersion]) -> None:
    with pytest.raises(Invalid, match="Version 1 needs number 'temp', which is no longer declared"):
        load_version(1, versions[1].bundle.folder, served_with(SPEC.features[1:]))
    retyped = (Feature(name="temp", type="boolean"), *SPEC.features[1:])
    with pytest.raises(Invalid, match="which is now of type boolean"):
        load_version(1, versions[1].bundle.folder, served_with(retyped))


def test_a_version_that_cannot_score_says_so_whatever_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = load_version(1, make_bundle(tmp_path, 1), SPEC)
    with pytest.raises(Unavailable, match="Version 1 cannot score"):
        version.score([("warm", 1.0, 1, True, "JFK")])

    class Wrong:
        def probabilities(self, _: np.ndarray) -> np.ndarray:
            return np.array([np.nan])

    monkeypatch.setattr(loaded_version, "load_predictor", lambda _: Wrong())
    wrong = LoadedVersion(1, version.bundle, SPEC.features)
    with pytest.raises(Unavailable, match="is no probability"):
        wrong.score(ROWS[:1])


def test_a_version_that_cannot_be_walked_scores_all_the_same(
    tmp_path: Path, versions: dict[int, LoadedVersion]
) -> None:
    bundle = Bundle.open(make_bundle(tmp_path, 1))
    bundle.booster_path.write_bytes(b"no booster")
    found, wanted = LoadedVersion(1, bundle, SPEC.features).score(ROWS)[1], versions[1].score(ROWS)[1]
    assert found == pytest.approx(wanted, abs=1e-6)
    bundle.onnx_path.write_bytes(b"no model")
    with pytest.raises(Unavailable, match="Version 1 cannot score"):
        LoadedVersion(1, bundle, SPEC.features)


def test_a_version_that_cannot_explain_says_so(tmp_path: Path) -> None:
    version = load_version(1, make_bundle(tmp_path, 1), SPEC)
    with pytest.raises(Unavailable, match=r"Version 1 cannot explain: ValueError at treeshap/\w+.py:\d+$"):
        version.explain(np.zeros((1, 4), np.float32))
    version.bundle.booster_path.write_bytes(b"no booster")
    with pytest.raises(Unavailable, match="Version 1 cannot explain"):
        version.prepare(*version.score(ROWS), SPEC)


def test_the_first_explained_request_finds_everything_ready(tmp_path: Path) -> None:
    version = load_version(1, make_bundle(tmp_path, 1), SPEC)
    version.bundle.booster_path.unlink()
    assert version.explain(version.score(ROWS)[0]).shape == (3, 6)


def test_a_changed_bundle_is_not_served(tmp_path: Path) -> None:
    folder = make_bundle(tmp_path, 1)
    (folder / "model.onnx").write_bytes(b"something else")
    with pytest.raises(Invalid, match="sha256 differs"):
        load_version(1, folder, SPEC)
