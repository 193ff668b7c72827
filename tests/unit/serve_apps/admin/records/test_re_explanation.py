"""A decision told again later: the same numbers from the log and the registered version, or it says what differs."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.worlds.bundles import MADE, make_bundle, spec_of
from tests.worlds.gateway.world import champion, gateway
from tests.worlds.log.decision_log import skip_syncs, written
from tests.worlds.log.vault import open_vault
from windvane.backtest.memory import MemoryRegistry
from windvane.cluster.decision_log.record import DENIED, DENY, Decision
from windvane.cluster.decision_log.vault.personal import Protection
from windvane.cluster.decision_log.write.segment import FeatureColumn
from windvane.cluster.errors import Conflict, Invalid, NotFound
from windvane.configs.schema import ModelSpec
from windvane.serve_apps.admin.records.re_explanation import MOST_HELD, ReExplanation, load_as_trained
from windvane.serve_apps.protocol.question import Question
from windvane.serve_apps.versions.loaded_version import LoadedVersion

SPEC = spec_of(adverse=True, counterfactual=True)
LATE, FINE = (12.0, 2500.0, 3, True, "EWR"), (12.0, 10.0, 0, False, "EWR")
COLUMNS = tuple(FeatureColumn(feature.name, feature.type) for feature in SPEC.features)


class Past:
    """Decisions that a gateway made and logged, and where they can be looked up."""

    def __init__(self, folder: Path, spec: ModelSpec = SPEC) -> None:
        self.folder = folder
        self.registry = MemoryRegistry(root=folder / "registry")
        bundle = make_bundle(folder / "bundles", 1, spec)
        self.registry.register(MADE, bundle)
        self.loads: list[int] = []
        self._written = 0
        self.version = load_as_trained(1, bundle)
        self.logs = folder / "log"
        self.re_explanation = ReExplanation(
            self.registry, self.logs, folder / "cache", lambda: open_vault(folder), self._load
        )
        with gateway({1: self.version}, champion(), folder, spec) as world:
            asked = (Question("late", LATE), Question("fine", FINE), Question("asked", FINE, explain=True))
            world.run(world.decider.decide(asked, 0.0))
            self.decisions = {decision.subject: decision for decision in world.decisions}
        vault = open_vault(folder)
        people = any(feature.personal for feature in spec.features)
        kept = list(self.decisions.values())
        written(
            self.logs / "trips",
            *(Protection(vault, spec.features).protect_all(kept) if people else kept),
            columns=COLUMNS,
        )
        vault.flush()

    def _load(self, number: int, folder: Path) -> LoadedVersion:
        self.loads.append(number)
        return self.version

    def explain(self, subject: str) -> Any:
        return self.re_explanation.explain("trips", self.decisions[subject].decision_id)

    def rewrite(self, decision: Decision, columns: tuple[FeatureColumn, ...] = COLUMNS) -> Any:
        self._written += 1
        renamed = msgspec.structs.replace(decision, decision_id=f"01a202c8-0000-7000-8000-{self._written:012}")
        written(self.logs / "trips", renamed, opened_at=1.0 + self._written, columns=columns)
        return self.re_explanation.explain("trips", renamed.decision_id)


@pytest.fixture
def past(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Past:
    skip_syncs(monkeypatch)
    return Past(tmp_path)


def test_an_adverse_decision_is_told_as_it_was_and_the_version_still_says_so(past: Past) -> None:
    decided, found = past.decisions["late"], past.explain("late")
    assert decided.explanation is not None
    assert decided.grounds is not None
    assert (found["action"], found["prediction"], found["subject"]) == ("warn", decided.prediction, "late")
    assert found["base_value"] == decided.explanation[0]
    weights = dict(zip(past.version.names, decided.explanation[1:], strict=True))
    assert {each["feature"]: each["weight"] for each in found["contributions"]} == {
        name: weight for name, weight in weights.items() if weight
    }
    assert found["grounds"] == msgspec.to_builtins(decided.grounds)
    assert found["recorded"] == {"explanation": True, "grounds": True}
    assert found["again"]["prediction"] == decided.prediction
    assert found["again"]["largest_difference"] < 1e-9
    assert found["again"]["same_grounds"] is True


def test_what_nobody_asked_for_at_the_time_is_told_now_and_said_to_be(past: Past) -> None:
    found, asked = past.explain("fine"), past.explain("asked")
    assert (found["recorded"], found["grounds"]) == ({"explanation": False, "grounds": False}, None)
    assert found["again"] == {"prediction": found["prediction"], "largest_difference": None, "same_grounds": None}
    assert {each["feature"]: pytest.approx(each["weight"]) for each in asked["contributions"]} == {
        each["feature"]: each["weight"] for each in found["contributions"]
    }


def test_a_record_that_is_not_what_the_version_says_is_seen(past: Past) -> None:
    decided = past.decisions["late"]
    assert decided.explanation is not None
    assert decided.grounds is not None
    weights = (decided.explanation[0] + 0.5, *decided.explanation[1:])
    reworded = msgspec.structs.replace(decided.grounds, reasons=())
    found = past.rewrite(msgspec.structs.replace(decided, prediction=0.99, explanation=weights, grounds=reworded))
    assert found["prediction"] == 0.99 != found["again"]["prediction"]
    assert found["again"]["largest_difference"] == pytest.approx(0.5)
    assert found["again"]["same_grounds"] is False


def test_a_row_is_read_by_the_names_of_its_time(past: Past) -> None:
    decided = past.decisions["late"]
    turned = msgspec.structs.replace(decided, features=decided.features[::-1])
    assert past.rewrite(turned, COLUMNS[::-1])["again"]["prediction"] == decided.prediction
    with pytest.raises(Invalid, match="holds no 'origin', which version 1 decides by"):
        past.rewrite(msgspec.structs.replace(decided, features=LATE[:4]), COLUMNS[:4])


def test_what_is_encrypted_is_told_until_its_subject_is_erased(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    skip_syncs(monkeypatch)
    personal = tuple(feature.model_copy(update={"personal": feature.name == "distance"}) for feature in SPEC.features)
    past = Past(tmp_path, SPEC.model_copy(update={"features": personal}))
    (path,) = (past.logs / "trips" / "live").glob("*.seg")
    assert b"late" not in path.read_bytes()
    decided, found = past.decisions["late"], past.explain("late")
    assert (found["subject"], found["grounds"]) == ("late", msgspec.to_builtins(decided.grounds))
    assert {each["value"] for each in found["contributions"] if each["feature"] == "distance"} == {2500.0}
    assert found["again"]["largest_difference"] < 1e-9
    open_vault(tmp_path).erase("late", 1.0)
    with pytest.raises(Conflict, match="was erased, and with it what it was decided by"):
        past.explain("late")
    assert past.explain("fine")["subject"] == "fine"


def test_what_was_denied_before_a_model_was_asked_cannot_be_explained_by_one(past: Past) -> None:
    denied = msgspec.structs.replace(past.decisions["fine"], version=0, prediction=None, arm=DENIED, verdict=DENY)
    with pytest.raises(Conflict, match=r"`windvane policy explain trips .*` says why"):
        past.rewrite(denied)


def test_a_decision_of_another_model_is_not_found(past: Past) -> None:
    with pytest.raises(NotFound, match="The log of others has no decision"):
        past.re_explanation.explain("others", past.decisions["late"].decision_id)


def test_a_version_is_loaded_once_and_only_a_few_are_held(past: Past) -> None:
    past.explain("late")
    past.explain("fine")
    assert past.loads == [1]
    bundle = make_bundle(past.logs.parent / "bundles", 1, SPEC)
    for number in range(2, 3 + MOST_HELD):
        past.registry.register(MADE, bundle)
        past.rewrite(msgspec.structs.replace(past.decisions["fine"], version=number, at=float(number)))
    past.explain("late")
    assert past.loads == [1, *range(2, 3 + MOST_HELD), 1]


def test_a_version_is_read_by_its_own_declaration(past: Past, tmp_path: Path) -> None:
    folder = make_bundle(tmp_path / "other", 1, spec_of(adverse=False))
    assert not load_as_trained(1, folder).adverse_action.owes("warn")
