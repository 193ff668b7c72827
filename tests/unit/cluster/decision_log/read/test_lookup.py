"""A decision is found by its id in whatever file it stands, as its writer wrote it."""

from pathlib import Path

import msgspec
import pytest

from tests.worlds.log.decision_log import COLUMNS, decision, outcome, shadow, skip_syncs, written
from windvane.cluster.decision_log.grounds import Grounds, Reason
from windvane.cluster.decision_log.read.lookup import find
from windvane.cluster.decision_log.read.sealer import Sealer
from windvane.cluster.decision_log.write.segment import FeatureColumn
from windvane.cluster.errors import NotFound

ID, OTHER = (f"01a202c8-0000-7000-8000-00000000000{n}" for n in (1, 2))
TOLD = msgspec.structs.replace(
    decision(ID), explanation=(0.1, 0.5), grounds=Grounds((Reason("temp", 20.5, 0.5, "It is warm"),))
)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    skip_syncs(monkeypatch)
    return tmp_path / "flight-delay"


@pytest.mark.parametrize("sealed", [False, True])
def test_a_decision_is_found_whole_with_its_features_by_name(root: Path, sealed: bool) -> None:
    written(root, outcome(ID), shadow([ID]), decision(OTHER), TOLD)
    if sealed:
        Sealer(root).seal()
    kept = find(root, ID)
    assert (kept.decision, kept.features) == (TOLD, COLUMNS)
    assert kept.row == {"temp": 20.5, "hour of day": 7, "weekend": True, "carrier": "UA"}


@pytest.mark.parametrize("sealed", [False, True])
def test_each_file_is_read_by_the_features_of_its_own_time(root: Path, sealed: bool) -> None:
    earlier = (FeatureColumn("wind", "number"), *COLUMNS[:1])
    written(root, decision(ID, features=(3.0, 20.5)), opened_at=1.0, columns=earlier)
    if sealed:
        Sealer(root).seal()
    written(root, decision(OTHER), opened_at=2.0)
    assert find(root, ID).row == {"wind": 3.0, "temp": 20.5}
    assert find(root, OTHER).row["carrier"] == "UA"


def test_of_two_of_the_same_id_the_first_counts(root: Path) -> None:
    written(root, decision(ID, at=20.0))
    Sealer(root).seal()
    written(root, decision(ID, at=30.0), opened_at=2.0)
    assert find(root, ID).decision.at == 20.0


@pytest.mark.parametrize("name", [ID, "", "%", "' or 1=1", "../etc/passwd", ID.upper(), ID + "\n"])
def test_what_is_not_there_is_not_found_whatever_it_looks_like(root: Path, name: str) -> None:
    written(root, outcome(ID), shadow([ID]), decision(OTHER))
    with pytest.raises(NotFound, match="The log of flight-delay has no decision"):
        find(root, name)
    Sealer(root).seal()
    with pytest.raises(NotFound):
        find(root, name)


def test_a_log_that_was_never_written_has_no_decisions(root: Path) -> None:
    with pytest.raises(NotFound):
        find(root, ID)
