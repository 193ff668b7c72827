"""The mortgage demo's scenes on a real log, vault and audit: what is told is there, and what fails is said."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.worlds.log.decision_log import skip_syncs, written
from tests.worlds.log.vault import open_vault
from windvane.backtest.memory import MemoryRegistry, MemoryStore
from windvane.cluster.decision_log.audit.verify import verify
from windvane.cluster.decision_log.record import Decision
from windvane.cluster.decision_log.vault.personal import Protection
from windvane.cluster.decision_log.write.segment import FeatureColumn
from windvane.cluster.decision_log.write.trail import Trail
from windvane.cluster.errors import Conflict, Denied, NotFound
from windvane.configs.schema import Feature
from windvane.examples.demo.letter import declined, letter
from windvane.examples.demo.mortgage import WIDTH, folded, scenes
from windvane.examples.demo.scene import COMPARING, LENDING, MODEL, Audited, Case, Scene, ask
from windvane.examples.demo.tampering import forge
from windvane.serve_apps.admin.records.records import RecordsAdmin

FEATURES = (Feature(name="debt", type="number", personal=True), Feature(name="loan", type="number"))
COLUMNS = tuple(FeatureColumn(feature.name, feature.type) for feature in FEATURES)
SPEC: Any = SimpleNamespace(features=FEATURES)
NAMES = [feature.name for feature in FEATURES]
REASON = {"feature": "debt", "value": 54.0, "weight": 0.7, "text": "Debts take 54 % of the income"}
FOUND = {
    "outcome": "found",
    "text": "If debt had been 40 rather than 54, the action would have been refer.",
    "changes": [{"feature": "debt", "before": 54.0, "after": 40.0}],
    "prediction": 0.4,
    "action": "refer",
}
BASE = -2.0
ROWS = [
    {"applicant": f"B{place}", "race": race, "debt": debt, "loan": 80.0}
    for place, (race, debt) in enumerate((("white", 10.0), ("black", 54.0), ("white", 52.0)))
]


class Office:
    """Declines debts from 50 on, and keeps a log as a gateway does; each flaw is one thing that it does wrong."""

    name = "consents"

    def __init__(self, home: Path, *flaws: str, action_after: str = "refer", **later: Any) -> None:
        self._home, self._flaws, self._action_after, self._later = home, flaws, action_after, later
        (home / "audit").mkdir()
        self._vault = open_vault(home)
        self._protection = Protection(self._vault, () if "plain" in flaws else FEATURES)
        self._consents: set[str] = set()
        self._told: dict[str, tuple[str, dict[str, Any]]] = {}
        trail = Trail(home / "log", "control-1")
        self._records_admin = RecordsAdmin(
            home / "log", lambda: self._vault, trail, MemoryStore(), MemoryRegistry(root=home / "registry"), [self]
        )

    def decide(self, model: str, request: Mapping[str, Any]) -> dict[str, Any]:
        asked = request.get("instances", [request])
        decided = [self._decide(each) for each in asked]
        return {"decisions": decided} if "instances" in request else decided[0]

    def record_consent(self, subject: str, purposes: Mapping[str, bool], model: str | None = None) -> dict[str, Any]:
        if "deaf" not in self._flaws:
            self._consents.update([subject] if purposes[LENDING] else [])
        return {}

    def explain(self, model: str, decision_id: str) -> dict[str, Any]:
        if decision_id not in self._told:
            raise NotFound("not there")
        subject, told = self._told[decision_id]
        if self._vault.hash(subject) in self._vault.erased() and "remembers" not in self._flaws:
            raise Conflict(f"The subject of decision {decision_id} was erased")
        grounds = {name: told["explanation"][name] for name in ("reasons", "counterfactual")}
        again = {"prediction": told["prediction"], "largest_difference": 0.0}
        weight = math.log(told["prediction"] / (1.0 - told["prediction"])) - BASE
        return {
            "version": 1,
            "base_value": BASE,
            "contributions": [REASON | {"weight": weight}],
            "grounds": grounds,
            "again": again | self._later,
        }

    def export_subject(self, subject: str, reason: str) -> Any:
        return self._records_admin.export_subject(subject, reason, "boss")

    def erase_subject(self, subject: str, reason: str) -> Any:
        if "keeps" in self._flaws:
            return {"keys": 1}
        return self._records_admin.erase(subject, reason, "boss")

    def export(self, subject: str) -> Any:
        return {LENDING: True} if subject in self._consents else None

    def erase(self, subject: str) -> None:
        if "stubborn" not in self._flaws:
            self._consents.discard(subject)

    def _decide(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        subject, debt = asked["subject"], asked["features"]["debt"]
        name = f"01a202c8-0000-7000-8000-{len(self._told):012}"
        if asked["purpose"] == LENDING and subject not in self._consents and "lax" not in self._flaws:
            raise Denied("The subject has not consented to this purpose.", ("consent",), "4f2a" * 16, (name,))
        action = "decline" if debt >= 50.0 else self._action_after if debt == 40.0 else "approve"
        told = {"decision_id": name, "prediction": debt / 100.0, "decision": {"action": action}}
        if action == "decline" and "silent" not in self._flaws:
            told["explanation"] = {"reasons": [REASON], "counterfactual": FOUND, "base_value": BASE}
        self._told[name] = subject, told
        self._log(told, subject, (debt, asked["features"]["loan"]), asked["purpose"])
        return told

    def _log(self, told: Mapping[str, Any], subject: str, features: tuple[float, ...], purpose: str) -> None:
        action, at = told["decision"]["action"], float(len(self._told))
        parts = (told["decision_id"], at, at, 1, "champion", 1, subject, 7, features, told["prediction"], action)
        record = Decision(*parts, purpose=purpose, proposed=action)
        protected = self._protection.protect_all([record])
        self._vault.flush()
        written(self._home / "log" / MODEL, *protected, opened_at=at, columns=COLUMNS)


class Auditor:
    """Verifies as the command does, or believes everything."""

    def __init__(self, blind: bool = False) -> None:
        self._blind = blind

    def verify(self, home: Path) -> Audited:
        faults = () if self._blind else verify(home / "log", home / "audit" / "checkpoints.jsonl", []).faults
        return Audited(1 if faults else 0, tuple(map(str, faults)) or ("nothing was changed",))


@pytest.fixture(autouse=True)
def _no_syncs(monkeypatch: pytest.MonkeyPatch) -> None:
    skip_syncs(monkeypatch)


def played(home: Path, *flaws: str, rows: Sequence[Mapping[str, Any]] = ROWS, blind: bool = False) -> list[Scene]:
    """All scenes."""
    return list(scenes(Office(home, *flaws), Auditor(blind), home, home / "copies", rows, SPEC))


def test_all_four_scenes_hold_on_a_log_a_vault_and_an_audit_that_are_real(tmp_path: Path) -> None:
    consent, told, forgotten, caught = played(tmp_path)
    assert [scene.broken for scene in (consent, told, forgotten, caught)] == [()] * 4
    assert "  403  The subject has not consented to this purpose." in consent.lines
    assert any(line.startswith("  200  approve, score 0.100, on record as 01a202c8") for line in consent.lines)
    assert "    1. Debts take 54 % of the income." in told.lines
    before, after = (line for line in forgotten.lines if line.startswith("  on disk"))
    assert before == after
    assert "B1" not in before
    assert "debt" not in before
    assert "loan 80.0" in before
    assert "  with the key  B1: debt 54.0, …" in forgotten.lines
    assert [line for line in caught.lines if "exit code" in line] == [f"  exit code {code}" for code in (0, 1, 1)]
    damaged, changed = (line for line in caught.lines if " record 0 (decision 01a202c8" in line)
    assert "its checksum fails" in damaged
    assert "does not follow in the chain" in changed


@pytest.mark.parametrize(
    ("flaw", "place", "sentence"),
    [
        ("lax", 0, "B0 was decided about without consent"),
        ("deaf", 0, "B0 agreed, and still: The subject has not consented to this purpose."),
        ("keeps", 2, "what is held about B1 can still be read"),
        ("remembers", 2, "the decision about B1 can still be explained"),
        ("stubborn", 2, "the consent of B1 outlived its subject"),
        ("plain", 2, "debt stands in the log as it is"),
    ],
)
def test_what_a_windvane_does_wrong_is_said(tmp_path: Path, flaw: str, place: int, sentence: str) -> None:
    acted = scenes(Office(tmp_path, flaw), Auditor(), tmp_path, tmp_path / "copies", ROWS, SPEC)
    assert sentence in [next(acted) for _ in range(place + 1)][place].broken


def test_an_auditor_who_sees_nothing_is_found_out(tmp_path: Path) -> None:
    assert played(tmp_path, blind=True)[3].broken == ("the worn log verifies", "the forged log verifies")


def test_without_a_declined_application_there_is_nobody_to_go_on_with(tmp_path: Path) -> None:
    found = played(tmp_path, rows=ROWS[:1])
    assert [scene.broken for scene in found] == [(), ("no declined application has a counterfactual",)]


def test_the_original_log_is_left_as_it_is(tmp_path: Path) -> None:
    office = Office(tmp_path)
    acted = scenes(office, Auditor(), tmp_path, tmp_path / "copies", ROWS, SPEC)
    for _ in range(3):
        next(acted)
    before = {path: path.read_bytes() for path in (tmp_path / "log" / MODEL).rglob("*.seg")}
    next(acted)
    after = {path: path.read_bytes() for path in (tmp_path / "log" / MODEL).rglob("*.seg")}
    assert before.items() <= after.items()
    assert len(after) == len(before) + 1
    with pytest.raises(NotFound, match="No live segment of mortgage has decision nobody"):
        forge(tmp_path, "nobody", bytes)


def told_of(home: Path, *flaws: str, **office: Any) -> tuple[Scene, Case | None]:
    """The second scene alone."""
    lender = Office(home, *flaws, **office)
    return declined(lender, list(ask(lender, ROWS, NAMES)), NAMES)


def test_the_surest_refusal_is_told_tried_again_and_explained_later(tmp_path: Path) -> None:
    scene, case = told_of(tmp_path)
    assert case is not None
    assert (case.applicant, case.action) == ("B1", "decline")
    assert scene.lines[0] == (
        f"All 3 applications of the file, asked about for the purpose {COMPARING!r}, which needs no consent because "
        "nothing follows from it for anybody: 2 decline, 1 approve."
    )
    assert scene.lines[1].startswith("Declined are 50% of 2 white, 100% of 1 black applicants.")
    assert "Asked again with exactly that: refer, score 0.400 instead of 0.540." in scene.lines
    assert scene.lines[-3:] == (
        "  -2.0000  what the average application gets",
        "  +2.1603  Debts take 54 % of the income",
        "  +0.1603  in all, which is the score 0.540 that was answered",
    )


def test_what_does_not_hold_of_a_letter_is_said(tmp_path: Path) -> None:
    homes = [tmp_path / name for name in "abc"]
    for home in homes:
        home.mkdir()
    assert told_of(homes[0], action_after="decline")[0].broken == (
        "with those changes the action is decline, not refer",
    )
    assert told_of(homes[1], prediction=0.1, largest_difference=0.5)[0].broken == (
        "explained later, the score is another one",
        "explained later, the contributions are others",
        "explained later, the parts do not add up to the score",
    )
    silent, nobody = told_of(homes[2], "silent")
    assert nobody is None
    assert [sentence.partition(" ")[2] for sentence in silent.broken[:2]] == ["was declined without a reason"] * 2


def test_a_letter_numbers_its_reasons() -> None:
    told = {"decision_id": "d", "explanation": {"reasons": [REASON, REASON], "counterfactual": FOUND}}
    assert letter(told)[1:3] == ["    1. Debts take 54 % of the income.", "    2. Debts take 54 % of the income."]


def test_what_is_too_long_goes_on_below_where_it_began() -> None:
    words = "word " * 30
    for begins, indent in (("", 0), ("  ", 2), ("- ", 2), ("  on disk       ", 16), ("  403  ", 7), ("  +0.96  ", 9)):
        first, second, *_ = folded(begins + words)
        assert first.startswith(begins + "word word")
        assert len(first) <= WIDTH
        assert (len(second) - len(second.lstrip()), second.strip()[:9]) == (indent, "word word")
    assert folded("") == []
