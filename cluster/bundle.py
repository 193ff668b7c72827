"""Files of a registered version's folder, and proof that they are the ones that were sealed."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
from pydantic import ValidationError

from windvane.cluster.decoders import json_decoder
from windvane.cluster.errors import Invalid
from windvane.configs.schema import ModelSpec

ONNX = "model.onnx"  # input float32[n, F] named ONNX_INPUT, output probabilities float32[n, 2]
BOOSTER = "model.ubj"
SPEC = "spec.json"  # the ModelSpec it was trained with
PROFILE = "profile.json"  # windvane.monitoring.counts.profile.Profile of the rows it was trained on
JUDGED = "judged.ubj"  # optional: the booster that was judged offline, which learnt nothing of the held-out rows
CARD = "card.json"  # optional: windvane.cluster.model_card.Card, what people should know of it
MANIFEST = "manifest.json"
FILES = (ONNX, BOOSTER, SPEC, PROFILE)
ONNX_INPUT = "rows"


@dataclass(frozen=True, slots=True)
class Manifest:
    """The facts of one version's files; `files` maps each name to its sha256."""

    files: Mapping[str, str]
    features: tuple[str, ...]
    trees: int
    best_iteration: int
    max_onnx_difference: float  # largest |ONNX − booster| probability over the rows compared
    compared_rows: int
    packages: Mapping[str, str]  # xgboost, onnx, … → version
    trained_until: float | None = None  # event time of the newest row the version knows, Unix seconds
    judged_until: float | None = None  # the judged booster knows only rows before this event time


@dataclass(frozen=True, slots=True)
class Bundle:
    """A folder whose files are complete and unchanged since they were sealed."""

    folder: Path
    manifest: Manifest
    spec: ModelSpec

    @property
    def onnx_path(self) -> Path:
        """The model that serving runs."""
        return self.folder / ONNX

    @property
    def booster_path(self) -> Path:
        """The model that explanations and further training read."""
        return self.folder / BOOSTER

    @property
    def judged_path(self) -> Path | None:
        """The booster that stands for this version on rows it has learnt from itself."""
        return self.folder / JUDGED if JUDGED in self.manifest.files else None

    @property
    def card_path(self) -> Path | None:
        """The version's card; versions of earlier releases have none."""
        return self.folder / CARD if CARD in self.manifest.files else None

    @property
    def profile_path(self) -> Path:
        """The reference profile that monitors compare with."""
        return self.folder / PROFILE

    @staticmethod
    def seal(folder: Path, manifest: Manifest) -> "Bundle":
        """Write the manifest with the sha256 of every file that lies in `folder`, and open it."""
        absent = [name for name in FILES if not (folder / name).is_file()]
        if absent:
            raise Invalid(f"Bundle {folder} lacks {', '.join(absent)}: write every file before sealing it")
        present = [*FILES, *(name for name in (JUDGED, CARD) if (folder / name).is_file())]
        files = {name: _sha256(folder / name) for name in present}
        sealed = replace(manifest, files=files)
        (folder / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(sealed), indent=1))
        return Bundle.open(folder)

    @staticmethod
    def open(folder: Path) -> "Bundle":
        """The bundle in `folder`; raises Invalid when a file is absent, altered or unreadable."""
        try:
            manifest = json_decoder(Manifest).decode((folder / MANIFEST).read_bytes())
        except (OSError, msgspec.DecodeError) as error:
            raise Invalid(f"Bundle {folder} has no readable {MANIFEST} ({error}): fetch the version again") from error
        for name in (*FILES, *(set(manifest.files) - set(FILES))):
            path = folder / name
            if name not in manifest.files or not path.is_file():
                raise Invalid(f"Bundle {folder} lacks {name}: fetch the version again")
            if _sha256(path) != manifest.files[name]:
                raise Invalid(f"{path} is not the file that was registered (sha256 differs): fetch the version again")
        try:
            spec = ModelSpec.model_validate_json((folder / SPEC).read_bytes())
        except ValidationError as error:
            raise Invalid(f"{folder / SPEC} does not describe a model this release can serve: {error}") from error
        names = tuple(feature.name for feature in spec.features)
        if names != manifest.features:
            raise Invalid(f"Bundle {folder} was trained on {manifest.features}, but its spec declares {names}")
        return Bundle(folder, manifest, spec)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
