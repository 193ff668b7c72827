import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.decision_log.record import Outcome
from cluster.errors import Invalid, Malformed, TooLarge, WindvaneError
from serve_apps.decision_id import fixed
from serve_apps.protocol.outcomes import Outcomes
from tests.bundles import SPEC

OUTCOMES = Outcomes(SPEC)
ID = fixed("trips", "anybody", "a")
OTHER = fixed("trips", "anybody", "b")


def decode(document: object) -> list[Outcome]:
    return OUTCOMES.decode(document if isinstance(document, bytes) else json.dumps(document).encode(), 5.0, "ann")


def pointers(document: object) -> list[str]:
    with pytest.raises(Invalid) as refusal:
        decode(document)
    return [problem.pointer for problem in refusal.value.problems]


def test_one_outcome_has_a_label_or_kpis_or_both() -> None:
    assert decode({"decision_id": ID, "label": True}) == [Outcome(ID, 5.0, True, {}, "ann")]
    assert decode({"decision_id": ID, "kpis": {"cost": 3}}) == [Outcome(ID, 5.0, None, {"cost": 3.0}, "ann")]
    both = {"decision_id": ID, "label": False, "kpis": {"a:b": 0.5}}
    assert decode(both) == [Outcome(ID, 5.0, False, {"a:b": 0.5}, "ann")]
    costly = {"decision_id": ID, "label": None, "kpis": {"cost": 1}}
    assert decode(costly) == [Outcome(ID, 5.0, None, {"cost": 1.0}, "ann")]


def test_many_outcomes_come_in_their_order() -> None:
    many = {"outcomes": [{"decision_id": ID, "label": True}, {"decision_id": OTHER, "label": False}]}
    assert [outcome.decision_id for outcome in decode(many)] == [ID, OTHER]


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ([], [""]),
        ({}, ["/decision_id", ""]),
        ({"decision_id": ID}, [""]),
        ({"decision_id": ID, "kpis": {}}, [""]),
        ({"decision_id": "x", "label": True}, ["/decision_id"]),
        ({"decision_id": ID + "\n", "label": True}, ["/decision_id"]),
        ({"decision_id": ID, "label": 1}, ["/label"]),
        ({"decision_id": ID, "label": "true"}, ["/label"]),
        ({"decision_id": ID, "lable": True, "label": True}, ["/lable"]),
        ({"decision_id": ID, "kpis": {"a": "1", "b": True, "c": 10**310}}, ["/kpis/a", "/kpis/b", "/kpis/c"]),
        ({"decision_id": ID, "kpis": [1]}, ["/kpis"]),
        ({"decision_id": ID, "kpis": {str(place): 0 for place in range(65)}}, ["/kpis"]),
        ({"outcomes": []}, ["/outcomes"]),
        (
            {"outcomes": [{"decision_id": 3, "label": 2}, 4]},
            ["/outcomes/0/decision_id", "/outcomes/0/label", "/outcomes/1"],
        ),
        ({"outcomes": [{"decision_id": ID, "label": True}], "label": True}, ["/label"]),
    ],
)
def test_every_offending_field_is_named(document: object, expected: list[str]) -> None:
    assert pointers(document) == expected


def test_more_than_are_accepted_are_too_large() -> None:
    with pytest.raises(TooLarge, match="send at most 16"):
        decode({"outcomes": [{"decision_id": ID, "label": True}] * 17})


def test_a_key_that_stands_twice_is_refused() -> None:
    with pytest.raises(Malformed, match="stands twice"):
        decode(b'{"decision_id": "%s", "label": true, "label": false}' % ID.encode())


@given(st.binary(max_size=60))
def test_random_bytes_never_decode_and_never_break(body: bytes) -> None:
    with pytest.raises(WindvaneError):
        decode(body)
