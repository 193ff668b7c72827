"""The registry's promises, on the one in memory that backtests and the other tests trust."""

from pathlib import Path

import pytest

from tests.worlds.registry_contract import RegistryContract
from windvane.backtest.memory import MemoryRegistry
from windvane.cluster.registry import Registry


class TestMemoryRegistry(RegistryContract):
    @pytest.fixture
    def registry(self, tmp_path: Path) -> Registry:
        return MemoryRegistry(root=tmp_path / "registry")
