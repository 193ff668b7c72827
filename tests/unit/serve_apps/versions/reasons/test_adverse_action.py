"""Real versions' decisions come with their reasons, and a declared counterfactual is never silently left out."""

from typing import Any

import numpy as np
import pytest

from tests.worlds.bundles import make_bundle, spec_of
from windvane.cluster.decision_log.grounds import Counterfactual, NoneFound
from windvane.cluster.decision_log.record import Value
from windvane.cluster.errors import Unavailable
from windvane.configs.schema import ModelSpec
from windvane.serve_apps.protocol.question import Question
from windvane.serve_apps.versions.loaded_version import LoadedVersion, load_version
from windvane.serve_apps.versions.reasons.adverse_action import TOP_FEATURES, AdverseAction
from windvane.serve_apps.versions.reasons.search import Reached

LATE = (12.0, 2500.0, 3, True, "EWR")


@pytest.fixture(scope="module")
def governed(tmp_path_factory: pytest.TempPathFactory) -> LoadedVersion:
    folder = make_bundle(tmp_path_factory.mktemp("bundles"), 1)
    return load_version(1, folder, spec_of(adverse=True, counterfactual=True))


def weights_of(version: LoadedVersion, row: Any = LATE) -> tuple[float, ...]:
    return tuple(version.explain(version.score([row])[0])[0].tolist())


def test_an_adverse_action_is_told_its_reasons_and_what_would_have_been_another(governed: LoadedVersion) -> None:
    weights = weights_of(governed)
    (told,) = governed.adverse_action.explained([Question("s", LATE)], ["warn"], np.array([weights]))
    assert told.weights == weights
    assert told.grounds is not None
    towards = {name for name, weight in zip(governed.names, weights[1:], strict=True) if weight > 0.0}
    assert {reason.feature for reason in told.grounds.reasons} <= towards
    assert told.grounds.reasons[0].weight == max(weights[1:])
    found = told.grounds.counterfactual
    assert isinstance(found, Counterfactual)
    before: dict[str, Value] = dict(zip(governed.names, LATE, strict=True))
    changed = before | {each.feature: each.after for each in found.changes}
    assert governed.score([tuple(changed.values())])[1][0] == found.prediction < 0.5


def test_what_nobody_is_told_is_not_put_into_words(governed: LoadedVersion) -> None:
    weights = weights_of(governed)
    asked, unasked = governed.adverse_action.explained(
        [Question("s", LATE, explain=True), Question("s", LATE)], ["keep", "keep"], np.array([weights, weights])
    )
    assert (asked.grounds, [reason.weight for reason in asked.top]) == (
        None,
        sorted((weight for weight in weights[1:] if weight), key=lambda weight: -abs(weight)),
    )
    assert unasked == (weights, (), None)


def test_only_the_heaviest_features_are_told() -> None:
    document = spec_of().model_dump(mode="json")
    document["features"] = [{"name": f"f{place}", "type": "number"} for place in range(12)]
    adverse_action = AdverseAction(ModelSpec.model_validate(document), [f"f{place}" for place in range(12)], None)
    contributions = np.array([[0.0, *range(12)]], float)
    (told,) = adverse_action.explained([Question("s", (0.0,) * 12, explain=True)], ["keep"], contributions)
    assert [reason.feature for reason in told.top] == [f"f{place}" for place in range(11, 11 - TOP_FEATURES, -1)]


def test_a_row_that_is_rounded_to_the_other_side_by_itself_has_nothing_to_be_found(governed: LoadedVersion) -> None:
    class Rounded:
        def find(self, _: Any) -> None:
            raise Reached("The row reaches the target as it is")

    adverse_action = AdverseAction(spec_of(adverse=True), governed.names, Rounded())  # type: ignore[arg-type]
    found = adverse_action.grounds(LATE, weights_of(governed)).counterfactual
    assert isinstance(found, NoneFound)
    assert found.proven == 0


def test_a_version_that_cannot_be_searched_as_declared_is_not_served(
    governed: LoadedVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    from windvane.serve_apps.versions.booster.forest import Unsupported
    from windvane.serve_apps.versions.reasons import adverse_action

    def refuse(_: bytes) -> None:
        raise Unsupported("its booster is linear")

    monkeypatch.setattr(adverse_action, "read_forest", refuse)
    with pytest.raises(Unavailable, match="Version 1 cannot explain: its booster is linear"):
        load_version(1, governed.bundle.folder, spec_of(adverse=True, counterfactual=True))
    load_version(1, governed.bundle.folder, spec_of(adverse=True))


def test_a_version_that_was_not_prepared_tells_nothing(governed: LoadedVersion) -> None:
    bare = LoadedVersion(1, governed.bundle, governed.bundle.spec.features)
    with pytest.raises(Unavailable, match="nothing was prepared"):
        _ = bare.adverse_action
