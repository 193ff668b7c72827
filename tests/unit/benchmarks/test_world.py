"""The bench's declarations differ only where they are told to, and its ports are free when they are given out."""

import socket

import pytest
from pydantic import ValidationError

from benchmarks import model
from benchmarks.world import free_port, spec_with


def test_a_declaration_with_other_serving_settings() -> None:
    spec = spec_with(durability="buffered", max_waiting_rows=64)
    assert (spec.serving.durability, spec.serving.max_waiting_rows) == ("buffered", 64)
    assert spec.serving.max_replicas == model.SPEC.serving.max_replicas == 1
    assert spec.features == model.SPEC.features
    assert spec_with() == model.SPEC


def test_a_setting_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValidationError, match="durable"):
        spec_with(durable=True)


def test_a_free_port_is_free_with_those_that_follow_it() -> None:
    port = free_port((0, 7))
    with socket.create_server(("127.0.0.1", port)), socket.create_server(("127.0.0.1", port + 7)):
        assert port != free_port((0, 7))


def test_rows_are_different_and_the_same_every_time() -> None:
    rows = model.make_rows(100)
    assert rows.shape == (100, model.FEATURES)
    assert len({row.tobytes() for row in rows}) == 100
    assert (rows == model.make_rows(100)).all()
