"""A folder for declarations."""

from pathlib import Path

import pytest


@pytest.fixture
def models(tmp_path: Path) -> Path:
    folder = tmp_path / "configs" / "models"
    folder.mkdir(parents=True)
    return folder
