"""A reader of part of a decision reads the same of it."""

import msgspec
import pytest

from tests.worlds.log.decision_log import decision
from windvane.cluster.decision_log.grounds import Counterfactual, FeatureChange, Grounds, Reason
from windvane.cluster.decision_log.record import Brief, Decision, Unopened

SHORTER = [Unopened, Brief]


@pytest.mark.parametrize("kind", SHORTER)
def test_fields_stand_where_the_whole_record_has_them(kind: type[msgspec.Struct]) -> None:
    assert kind.__struct_fields__ == Decision.__struct_fields__[: len(kind.__struct_fields__)]


@pytest.mark.parametrize("kind", SHORTER)
def test_what_is_read_is_what_was_written(kind: type[msgspec.Struct]) -> None:
    reason = Reason("temp", 20.5, 0.1, "It is warm")
    counterfactual = Counterfactual("If …", (FeatureChange("temp", 20.5, None),), 0.4, "keep", 0.5, 1, 3)
    whole = msgspec.structs.replace(decision("d1"), explanation=(0.1, 0.2), grounds=Grounds((reason,), counterfactual))
    read = msgspec.msgpack.decode(msgspec.msgpack.encode(whole), type=kind)
    for name in kind.__struct_fields__:
        found, written = getattr(read, name), getattr(whole, name)
        if isinstance(found, msgspec.Raw):
            found = msgspec.msgpack.decode(found, type=type(written))
        assert found == written


@pytest.mark.parametrize("kind", SHORTER)
def test_a_record_written_without_what_came_later_is_read(kind: type[msgspec.Struct]) -> None:
    short = msgspec.msgpack.encode(["decision", *msgspec.structs.astuple(decision("d1"))[:11]])
    assert msgspec.msgpack.decode(short, type=kind).decision_id == "d1"  # type: ignore[attr-defined]


def test_a_whole_record_can_be_written_from_an_unopened_one() -> None:
    payload = msgspec.msgpack.encode(decision("d1"))
    assert msgspec.msgpack.encode(msgspec.msgpack.decode(payload, type=Unopened)) == payload
