"""Unit tests run without Ray: whoever starts it here is told so."""

import pytest
import ray


@pytest.fixture(autouse=True)
def _no_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a unit test started Ray; move it to tests/e2e or test the pure part")

    monkeypatch.setattr(ray, "init", refuse)
