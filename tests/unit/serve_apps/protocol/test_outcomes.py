import json
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.worlds.bundles import SPEC
from windvane.cluster.decision_log.record import Outcome
from windvane.cluster.errors import Invalid, Malformed, TooLarge, WindvaneError
from windvane.serve_apps.pipeline.decision_id import fixed, timely
from windvane.serve_apps.protocol.outcomes import Outcomes

OUTCOMES = Outcomes(SPEC)
ID = fixed("trips", "anybody", "a")
OTHER = fixed("trips", "anybody", "b")


def decode(document: object) -> list[Outcome]:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return OUTCOMES.decode(body, 5.0, "ann").outcomes


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


@pytest.mark.parametrize(("label", "taken"), [(1, True), (0, False), (1.0, True)])
def test_1_and_0_are_labels(label: object, taken: bool) -> None:
    assert decode({"decision_id": ID.upper(), "label": label}) == [Outcome(ID, 5.0, taken, {}, "ann")]


def test_null_is_as_if_it_were_left_out() -> None:
    plain = [Outcome(ID, 5.0, True, {}, "ann")]
    assert decode({"decision_id": ID, "label": True, "kpis": None}) == plain
    assert decode({"decision_id": ID, "label": True, "kpis": {"cost": None}, "outcomes": None}) == plain
    assert decode(b'{"decision_id": "%s", "label": 1, "kpis": {"cost": NaN}}' % ID.encode()) == plain
    assert decode({"outcomes": [{"decision_id": ID, "label": True}], "label": None}) == plain


def test_one_bad_outcome_does_not_refuse_the_others() -> None:
    sent = {"outcomes": [{"decision_id": ID, "label": 1}, {"decision_id": OTHER, "label": "yes"}]}
    reported = OUTCOMES.decode(json.dumps(sent).encode(), 5.0, "ann")
    assert [outcome.decision_id for outcome in reported.outcomes] == [ID]
    assert json.loads(OUTCOMES.encode(reported)) == {
        "accepted": 1,
        "refused": 1,
        "errors": [{"pointer": "/outcomes/1/label", "detail": "must be true or false, 1 or 0, or null, not text"}],
    }
    assert OUTCOMES.encode(OUTCOMES.decode(json.dumps({"decision_id": ID, "label": 1}).encode(), 5.0, "ann")) == (
        b'{"accepted":1}'
    )


def test_an_id_that_no_decision_can_have_is_refused() -> None:
    """The others may stand in another replica's log: the monitor joins them, and counts those that never do."""
    given = timely(1_000.0)
    assert OUTCOMES.decode(json.dumps({"decision_id": given, "label": 1}).encode(), 1_001.0, "ann").outcomes
    for name in (str(UUID(int=0)), "a" * 36, str(UUID(int=1, version=4)), timely(200_000.0)):
        with pytest.raises(Invalid) as refusal:
            OUTCOMES.decode(json.dumps({"decision_id": name, "label": True}).encode(), 1_001.0, "ann")
        assert [(each.pointer, each.reason) for each in refusal.value.problems] == [("/decision_id", "unknown_id")]


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
        ({"decision_id": ID, "label": 2}, ["/label"]),
        ({"decision_id": ID, "label": 0.5}, ["/label"]),
        ({"decision_id": ID, "kpis": {"a": None}}, [""]),
        ({"decision_id": ID, "label": "true"}, ["/label"]),
        ({"decision_id": ID, "lable": True, "label": True}, ["/lable"]),
        ({"decision_id": ID, "kpis": {"a": "1", "b": [], "c": 10**310}}, ["/kpis/a", "/kpis/b", "/kpis/c"]),
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
