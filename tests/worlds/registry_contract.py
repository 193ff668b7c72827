"""Contract of every registry; `tests/unit` runs it on the one in memory, `tests/e2e` on MLflow."""

from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import pytest

from windvane.cluster.errors import Invalid, NotFound
from windvane.cluster.registry import Registration, Registry

_FRESH = count(1)
FIRST = Registration(
    model="",
    owner="team@example.org",
    reason="first",
    standing="champion",
    parent=None,
    request_id=None,
    params={"max_depth": "6", "note": "x" * 7000},
    metrics={"auc": 0.71, "log_loss": 0.5},
    tags={"data_sha256": "ab12", "git": "dead"} | {f"t{n}": "v" for n in range(150)},
)
SECOND = replace(
    FIRST, reason="drift: temp moved — stark", standing="candidate", parent=1, request_id="r-1", metrics={"auc": 0.75}
)


class RegistryContract:
    """Give a `registry` fixture in a subclass named Test…"""

    @pytest.fixture
    def model(self) -> str:
        return f"model-{next(_FRESH)}"

    @pytest.fixture
    def bundle(self, tmp_path: Path) -> Path:
        folder = tmp_path / "made"
        (folder / "deep").mkdir(parents=True)
        (folder / "model.onnx").write_bytes(b"\x00onnx")
        (folder / "deep" / "spec.json").write_text("{}")
        return folder

    def test_a_model_nobody_registered_has_no_versions_and_no_champion(self, registry: Registry, model: str) -> None:
        assert registry.versions(model) == ()
        assert registry.champion(model) is None
        with pytest.raises(NotFound, match=f"{model} has no version 1; there are: none"):
            registry.version(model, 1)

    def test_a_version_keeps_why_it_exists_and_what_it_came_from(
        self, registry: Registry, model: str, bundle: Path
    ) -> None:
        before = datetime.now(UTC)
        first = registry.register(replace(FIRST, model=model), bundle)
        second = registry.register(replace(SECOND, model=model), bundle)
        assert (first.model, first.number, first.owner, first.reason) == (model, 1, "team@example.org", "first")
        assert (first.standing, first.parent, first.request_id) == ("champion", None, None)
        assert dict(first.metrics) == {"auc": 0.71, "log_loss": 0.5}
        assert dict(registry.version(model, 1).tags) == dict(FIRST.tags)
        assert (second.number, second.parent, second.request_id) == (2, 1, "r-1")
        assert second.reason == "drift: temp moved — stark"
        assert first.run_id != second.run_id
        assert abs((first.created_at - before).total_seconds()) < 60
        assert registry.versions(model) == (first, second)
        assert registry.version(model, 2) == second
        with pytest.raises(NotFound, match=f"{model} has no version 3; there are: 1, 2"):
            registry.version(model, 3)

    def test_models_do_not_mix(self, registry: Registry, model: str, bundle: Path) -> None:
        registry.register(replace(FIRST, model=model), bundle)
        other = registry.register(replace(FIRST, model=f"{model}-b"), bundle)
        assert other.number == 1
        assert len(registry.versions(model)) == 1

    def test_the_champion_alias_moves_and_setting_it_twice_is_once(
        self, registry: Registry, model: str, bundle: Path
    ) -> None:
        registry.register(replace(FIRST, model=model), bundle)
        assert registry.champion(model) is None
        registry.register(replace(SECOND, model=model), bundle)
        for number in (1, 2, 2):
            registry.set_champion(model, number)
            assert registry.champion(model) == number
        with pytest.raises(NotFound, match="has no version 7"):
            registry.set_champion(model, 7)
        assert registry.champion(model) == 2

    def test_a_standing_changes_and_everything_else_stays(self, registry: Registry, model: str, bundle: Path) -> None:
        first = registry.register(replace(FIRST, model=model), bundle)
        registry.set_standing(model, 1, "retired", "version 2 took over")
        assert registry.version(model, 1) == replace(first, standing="retired")
        with pytest.raises(NotFound, match="has no version 2"):
            registry.set_standing(model, 2, "retired", "never was")

    def test_a_bundle_is_fetched_whole_and_at_most_once(
        self, registry: Registry, model: str, bundle: Path, tmp_path: Path
    ) -> None:
        registry.register(replace(FIRST, model=model), bundle)
        folder = registry.fetch(model, 1, tmp_path / "cache")
        assert (folder / "model.onnx").read_bytes() == b"\x00onnx"
        assert (folder / "deep" / "spec.json").read_text() == "{}"
        (folder / "mark").write_text("still the same copy")
        assert registry.fetch(model, 1, tmp_path / "cache") == folder
        assert (folder / "mark").exists()

    def test_fetching_what_does_not_exist_is_not_found(self, registry: Registry, model: str, tmp_path: Path) -> None:
        with pytest.raises(NotFound, match="has no version 4"):
            registry.fetch(model, 4, tmp_path / "cache")

    def test_what_is_registered_does_not_change_with_the_folder(
        self, registry: Registry, model: str, bundle: Path, tmp_path: Path
    ) -> None:
        registry.register(replace(FIRST, model=model), bundle)
        (bundle / "model.onnx").write_bytes(b"something else")
        assert (registry.fetch(model, 1, tmp_path / "cache") / "model.onnx").read_bytes() == b"\x00onnx"

    def test_a_bundle_without_files_is_refused(self, registry: Registry, model: str, tmp_path: Path) -> None:
        (tmp_path / "empty").mkdir()
        for folder in (tmp_path / "empty", tmp_path / "none"):
            with pytest.raises(Invalid, match=f"{folder.name} holds no files; nothing was registered"):
                registry.register(replace(FIRST, model=model), folder)
        assert registry.versions(model) == ()
