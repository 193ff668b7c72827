import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput, InferResult

from tests.worlds.gateway.inference import ALL, BODY, INFER, MODEL, outputs
from tests.worlds.gateway.world import DECIDE, FEATURES, NOW, World, champion, gateway
from windvane.cluster.decision_log.record import Value
from windvane.serve_apps.versions.loaded_version import LoadedVersion


def triton(endpoint: World, inputs: list[InferInput], wanted: list[InferRequestedOutput] | None, **more: Any) -> Any:
    """One request as Triton's client writes it, and its reading of the reply."""
    body, json_bytes = InferenceServerClient.generate_request_body(inputs, wanted, **more)
    headers = {} if json_bytes is None else {"inference_header_content_length": str(json_bytes)}
    reply = endpoint.ask(INFER, bytes(body), **headers)
    assert reply.status == 200, reply.body
    length = reply.headers.get("inference-header-content-length")
    return InferResult.from_response_body(reply.body, header_length=None if length is None else int(length))


def filled(name: str, values: Any, datatype: str, binary: bool) -> InferInput:
    array = np.asarray(values)
    found = InferInput(name, list(array.shape), datatype)
    found.set_data_from_numpy(array, binary_data=binary)
    return found


def test_a_request_is_answered_in_the_promised_shape(endpoint: World) -> None:
    reply = endpoint.ask(INFER, BODY | {"id": "42"})
    assert (reply.status, reply.headers["content-type"]) == (200, "application/json")
    found = reply.json
    assert list(found) == ["model_name", "outputs", "model_version", "id"]
    assert (found["model_name"], found["model_version"], found["id"]) == ("trips", "1", "42")
    shapes = [(each["name"], each["datatype"], each["shape"]) for each in found["outputs"]]
    assert shapes == [("prediction", "FP64", [1]), ("action", "BYTES", [1]), ("decision_id", "BYTES", [1])]


ROWS = st.fixed_dictionaries(
    {
        "temp": st.none() | st.floats(-60, 60, width=32),
        "distance": st.floats(0, 5000, width=32),
        "stops": st.integers(0, 20),
        "night": st.booleans(),
        "origin": st.sampled_from(["EWR", "JFK", "LGA", "SFO"]),
    }
)


@given(st.lists(ROWS, min_size=1, max_size=4), st.booleans(), st.booleans())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_both_forms_of_input_are_decided_as_decide_does(
    endpoint: World, rows: list[dict[str, Any]], binary_in: bool, binary_out: bool
) -> None:
    """As one tensor and as one a feature, as JSON and as bytes: the same score and action, and the same row logged."""
    instances = [
        {"subject": "N1", "features": {name: value for name, value in row.items() if value is not None}} for row in rows
    ]
    decided = endpoint.ask(DECIDE, {"instances": instances}).json["decisions"]
    logged = [(each.features, each.prediction, each.subject) for each in endpoint.decisions[-len(rows) :]]
    place = {"EWR": 0, "JFK": 1, "LGA": 2}
    numbers = [
        [
            math.nan if row["temp"] is None else row["temp"],
            row["distance"],
            row["stops"],
            row["night"],
            place.get(row["origin"], -1),
        ]
        for row in rows
    ]
    block = np.array(numbers, np.float64)
    has_holes = bool(np.isnan(block).any())  # which JSON cannot say as Triton's client writes it
    one = [filled("all", block, "FP64", binary_in or has_holes)]
    each = [
        filled("temp", block[:, 0].astype(np.float32), "FP32", binary_in or has_holes),
        filled("distance", block[:, 1:2], "FP64", binary_in),
        filled("stops", block[:, 2].astype(np.int8), "INT8", binary_in),
        filled("night", block[:, 3].astype(bool), "BOOL", binary_in),
        filled("origin", np.array([row["origin"] for row in rows], object), "BYTES", binary_in),
    ]
    wanted = [InferRequestedOutput(name, binary_data=binary_out) for name in ("action", "prediction", "decision_id")]
    for inputs in (one, each):
        found = triton(endpoint, inputs, wanted, parameters={"subject": "N1"})
        assert found.as_numpy("prediction").tolist() == [reply["prediction"] for reply in decided]
        actions, ids = (found.as_numpy(name).tolist() for name in ("action", "decision_id"))
        if binary_out:
            actions, ids = [text.decode() for text in actions], [text.decode() for text in ids]
        assert actions == [reply["decision"]["action"] for reply in decided]
        records = endpoint.decisions[-len(rows) :]
        assert [record.decision_id for record in records] == ids
        assert [(undeclared(record.features), record.prediction, record.subject) for record in records] == [
            (undeclared(features), score, subject) for features, score, subject in logged
        ]


def undeclared(features: tuple[Value, ...]) -> tuple[Value, ...]:
    """The row, with any category that was never declared as the one text that a number can mean."""
    return (*features[:4], features[4] if features[4] in ("EWR", "JFK", "LGA", None) else "(other)")


def test_an_explanation_adds_up_and_stands_in_the_models_order(endpoint: World) -> None:
    for request in (
        BODY | {"parameters": {"explain": True}},
        BODY | {"outputs": [{"name": "prediction"}, {"name": "explanation"}]},
    ):
        reply = endpoint.ask(INFER, request)
        weights = outputs(reply)["explanation"]
        assert reply.json["outputs"][-1]["shape"] == [1, 6]
        score = outputs(reply)["prediction"][0]
        assert sum(weights) == pytest.approx(math.log(score / (1 - score)), abs=1e-4)
        told = endpoint.ask(DECIDE, {"subject": "s", "features": FEATURES, "explain": True}).json["explanation"]
        assert weights[0] == pytest.approx(told["base_value"])
        by_name = dict(zip(FEATURES, weights[1:], strict=True))
        assert {each["feature"]: pytest.approx(each["weight"]) for each in told["top_features"]} == by_name


def test_subject_context_and_event_time_reach_the_log(endpoint: World) -> None:
    parameters = {"subject": "N725MQ", "context": {"channel": "app", "event_time": NOW - 60}}
    assert endpoint.ask(INFER, BODY | {"parameters": parameters}).status == 200
    record = endpoint.decisions[-1]
    assert (record.subject, record.event_time, record.request_id) == ("N725MQ", NOW - 60, None)
    assert record.context == {"channel": "app", "event_time": NOW - 60}


def test_a_request_id_is_no_idempotency_key(endpoint: World) -> None:
    """Clients number their requests as they like, so that two may have the same."""
    first, second = endpoint.ask(INFER, BODY | {"id": "1"}), endpoint.ask(INFER, BODY | {"id": "1"})
    assert outputs(first)["decision_id"] != outputs(second)["decision_id"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", f"{MODEL}/versions/3", 404),
        ("GET", f"{MODEL}/versions/3/ready", 404),
        ("GET", f"{MODEL}/versions", 404),
        ("GET", f"{MODEL}/versions/", 404),
        ("GET", f"{MODEL}/versions/1/config", 404),
        ("POST", f"{MODEL}/versions/1/infer/", 404),
        ("POST", f"{MODEL}/generate", 404),
        ("GET", INFER, 405),
        ("PUT", f"{MODEL}/versions/1/infer", 405),
        ("POST", f"{MODEL}/versions/1", 405),
        ("POST", f"{MODEL}/versions/1/ready", 405),
    ],
)
def test_other_paths_and_methods_are_refused_in_the_protocols_words(
    endpoint: World, method: str, path: str, status: int
) -> None:
    reply = endpoint.ask(path, BODY, method)
    assert (reply.status, reply.headers["content-type"], list(reply.json)) == (status, "application/json", ["error"])
    assert ("allow" in reply.headers) == (status == 405)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"content_type": "application/json"}, 200),
        ({"content_type": "application/octet-stream"}, 415),
        ({"content_type": "text/plain"}, 415),
        ({"content_encoding": "gzip"}, 415),
        ({"content_type": "application/octet-stream", "inference_header_content_length": "whole"}, 200),
        ({"content_type": "application/json", "inference_header_content_length": "whole"}, 200),
        ({"inference_header_content_length": "whole"}, 200),
        ({"content_type": "text/plain", "inference_header_content_length": "whole"}, 415),
        (
            {
                "content_type": "application/octet-stream",
                "content_encoding": "gzip",
                "inference_header_content_length": "whole",
            },
            415,
        ),
        ({"inference_header_content_length": "-1"}, 400),
        ({"inference_header_content_length": "1e3"}, 400),
        ({"inference_header_content_length": "9" * 5000}, 400),
        ({"inference_header_content_length": "100000"}, 400),
        ({"inference_header_content_length": "0"}, 400),
    ],
)
def test_what_a_body_is_announced_as(endpoint: World, headers: dict[str, str], status: int) -> None:
    body = json.dumps(BODY).encode()
    sent = {name: str(len(body)) if value == "whole" else value for name, value in headers.items()}
    reply = endpoint.ask(INFER, body, **sent)
    assert reply.status == status, reply.body
    assert list(reply.json) == ["error"] or status == 200


def test_limits_hold(endpoint: World) -> None:
    rows = [{"name": "all", "datatype": "FP64", "shape": [17, 5], "data": ALL * 17}]
    refused = endpoint.ask(INFER, {"inputs": rows})
    assert (refused.status, refused.json) == (413, {"error": "17 rows; send at most 16 at once"})
    assert endpoint.ask(INFER, b" " * 65537).status == 413


def test_a_wrong_request_is_400_and_decides_nothing(endpoint: World) -> None:
    before = len(endpoint.decisions)
    reply = endpoint.ask(
        INFER, {"inputs": [{"name": "all", "datatype": "FP64", "shape": [1, 5], "data": [99, *ALL[1:]]}]}
    )
    assert reply.status == 400
    assert reply.json == {"error": "Feature 'temp' of row 0 must be at most 60 C"}
    assert endpoint.counts.refusals[-1] == (("temp", "range"),)
    assert len(endpoint.decisions) == before


def test_a_category_that_was_never_declared_is_answered_and_counted_as_a_warning(endpoint: World) -> None:
    origin = {"name": "origin", "datatype": "BYTES", "shape": [1], "data": ["Atlantis"]}
    others = [
        {"name": name, "datatype": datatype, "shape": [1], "data": [value]}
        for (name, datatype), value in zip(
            (("temp", "FP64"), ("distance", "FP64"), ("stops", "INT64"), ("night", "BOOL")),
            (3.5, 1200.0, 1, True),
            strict=True,
        )
    ]
    before = len(endpoint.counts.warnings)
    reply = endpoint.ask(INFER, {"inputs": [*others, origin]})
    assert 0.0 < outputs(reply)["prediction"][0] < 1.0
    assert "counts as unknown" in reply.json["parameters"]["warnings"]
    assert endpoint.counts.warnings[before:] == [(("origin", "unknown_category"),)]
    endpoint.ask(INFER, {"inputs": [*others, origin | {"data": ["JFK"]}]})
    assert len(endpoint.counts.warnings) == before + 1


def test_what_cannot_be_logged_is_not_answered(endpoint: World) -> None:
    endpoint.log.refusal = "the disk is full"
    try:
        reply = endpoint.ask(INFER, BODY)
    finally:
        endpoint.log.refusal = None
    assert (reply.status, reply.json, reply.headers["retry-after"]) == (503, {"error": "the disk is full"}, "1")


def test_before_a_split_is_in_force_nothing_answers(versions: dict[int, LoadedVersion], home: Path) -> None:
    with gateway(versions, None, home) as world:
        assert world.ask(INFER, BODY).status == 503
        assert world.ask(f"{MODEL}/versions/1/infer", BODY).status == 503
        assert world.ask(f"{MODEL}/ready", method="GET").status == 503
        assert world.ask(f"{MODEL}/versions/1/ready", method="GET").status == 503


def test_a_replica_whose_log_is_gone_is_not_ready(versions: dict[int, LoadedVersion], home: Path) -> None:
    with gateway(versions, champion(), home) as world:
        assert world.ask(f"{MODEL}/ready", method="GET").status == 200
        world.log.gone = True
        for path in (f"{MODEL}/ready", f"{MODEL}/versions/1/ready"):
            reply = world.ask(path, method="GET")
            assert (reply.status, "restart this replica" in reply.json["error"]) == (503, True)


JSONISH = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*BODY, "name", "data"]), inner),
    max_leaves=8,
)


@given(
    st.fixed_dictionaries(
        {
            "inputs": st.lists(
                st.fixed_dictionaries(
                    {"name": st.sampled_from(["all", "temp"])},
                    optional={
                        "datatype": st.sampled_from(["FP64", "BYTES", "BOOL"]) | JSONISH,
                        "shape": st.just([1, 5]) | JSONISH,
                        "data": st.just(ALL) | JSONISH,
                        "parameters": JSONISH,
                    },
                ),
                max_size=3,
            )
            | JSONISH
        },
        optional={
            "id": JSONISH,
            "outputs": JSONISH,
            "parameters": st.dictionaries(st.sampled_from(["subject", "context", "explain", "context.a"]), JSONISH),
        },
    )
)
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_json_comes_is_answered_or_refused(endpoint: World, body: dict[str, Any]) -> None:
    reply = endpoint.ask(INFER, body)
    assert reply.status in (200, 400, 413)
    assert list(reply.json) == ["error"] or reply.status == 200
