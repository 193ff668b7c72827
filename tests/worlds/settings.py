"""Settings of a folder of declarations."""

from pathlib import Path

from windvane.configs.load import load_settings
from windvane.configs.settings import Settings


def settings_for(models: Path, **more: str) -> Settings:
    return load_settings({"WINDVANE_HOME": str(models.parent), "WINDVANE_MODELS": str(models), **more})
