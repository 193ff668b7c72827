from pathlib import Path

import pytest

from windvane.cluster.bundle import FILES, Bundle, Manifest
from windvane.cluster.errors import Invalid
from windvane.configs.schema import ModelSpec

SPEC = ModelSpec.model_validate(
    {
        "name": "loans",
        "owner": "credit",
        "unit": "customer",
        "target": {"name": "defaulted"},
        "features": [{"name": "income", "type": "number"}, {"name": "age", "type": "integer"}],
        "data": {"source": "loans.csv"},
        "decision": {"actions": [{"name": "grant", "at_least": 0.0}]},
    }
)
FACTS = Manifest(
    files={},
    features=("income", "age"),
    trees=12,
    best_iteration=11,
    max_onnx_difference=3e-7,
    compared_rows=100,
    packages={"xgboost": "3.2.0"},
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in FILES:
        (tmp_path / name).write_bytes(name.encode())
    (tmp_path / "spec.json").write_text(SPEC.model_dump_json())
    return tmp_path


def test_a_sealed_bundle_opens_with_its_spec_and_facts(folder: Path) -> None:
    Bundle.seal(folder, FACTS)
    bundle = Bundle.open(folder)
    assert bundle.spec == SPEC
    assert bundle.manifest.trees == 12
    assert set(bundle.manifest.files) == set(FILES)
    assert bundle.onnx_path.read_bytes() == b"model.onnx"
    assert bundle.booster_path.is_file()
    assert bundle.profile_path.is_file()


@pytest.mark.parametrize("name", FILES)
def test_one_changed_byte_is_refused(folder: Path, name: str) -> None:
    Bundle.seal(folder, FACTS)
    (folder / name).write_bytes((folder / name).read_bytes() + b" ")
    with pytest.raises(Invalid, match=f"{name} is not the file that was registered"):
        Bundle.open(folder)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_refused(folder: Path, name: str) -> None:
    Bundle.seal(folder, FACTS)
    (folder / name).unlink()
    with pytest.raises(Invalid, match=f"lacks {name}"):
        Bundle.open(folder)


def test_sealing_an_unfinished_folder_names_what_is_absent(folder: Path) -> None:
    (folder / "profile.json").unlink()
    with pytest.raises(Invalid, match=r"lacks profile\.json"):
        Bundle.seal(folder, FACTS)


def test_a_folder_without_a_manifest_is_refused(folder: Path) -> None:
    with pytest.raises(Invalid, match=r"no readable manifest\.json"):
        Bundle.open(folder)


def test_features_that_are_not_those_of_the_spec_are_refused(folder: Path) -> None:
    with pytest.raises(Invalid, match="was trained on"):
        Bundle.seal(folder, Manifest(**{**{f: getattr(FACTS, f) for f in Manifest.__slots__}, "features": ("age",)}))


def test_a_spec_that_does_not_validate_is_refused(folder: Path) -> None:
    (folder / "spec.json").write_text("{}")
    with pytest.raises(Invalid, match="does not describe a model"):
        Bundle.seal(folder, FACTS)
