"""The registry's promises, on the fake that the other tests trust."""

from pathlib import Path

import pytest

from cluster.registry import Registry
from tests.fakes import FakeRegistry
from tests.registry_contract import RegistryContract


class TestFakeRegistry(RegistryContract):
    @pytest.fixture
    def registry(self, tmp_path: Path) -> Registry:
        return FakeRegistry(tmp_path / "registry")
