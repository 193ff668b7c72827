"""The gRPC endpoint on the real data plane, with Ray's context replaced by one that remembers what was set."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from grpc import StatusCode as Code
from tritonclient.grpc import service_pb2 as messages

from tests.worlds.bundles import SPEC
from tests.worlds.callers.keys import BOSS, key, knowing, limited
from tests.worlds.gateway.grpc_context import FakeContext
from tests.worlds.gateway.world import NOW, World, canary, champion, gateway
from windvane.cluster.clock import Clock
from windvane.cluster.errors import (
    Conflict,
    Expired,
    Forbidden,
    Invalid,
    Malformed,
    NotFound,
    Overloaded,
    TooLarge,
    Unauthorized,
    Unavailable,
    WindvaneError,
)
from windvane.serve_apps.endpoints.oip_grpc import LONGEST_DETAILS, OipGrpc, refuse
from windvane.serve_apps.versions.loaded_version import LoadedVersion

ROW = [3.5, 1200.0, 1.0, 1.0, 1.0]


@pytest.fixture
def world(versions: dict[int, LoadedVersion], tmp_path: Path) -> Iterator[World]:
    with gateway(versions, champion(), tmp_path) as found:
        yield found


def endpoint(world: World, local: bool = True) -> OipGrpc:
    return OipGrpc(world.data_plane, local)


def asked(rows: int = 1, model: str = "trips", version: str = "", **texts: str) -> messages.ModelInferRequest:
    request = messages.ModelInferRequest(model_name=model, model_version=version, id="r-1")
    request.inputs.add(name="x", datatype="FP64", shape=[rows, len(ROW)])
    request.raw_input_contents.append(np.array([ROW] * rows).tobytes())
    for name, text in texts.items():
        request.parameters[name].string_param = text
    return request


def infer(world: World, request: Any, context: FakeContext) -> messages.ModelInferResponse:
    return world.run(endpoint(world).infer(request, context))


def test_a_request_is_decided_logged_and_answered(world: World) -> None:
    context = FakeContext()
    reply = infer(world, asked(2, subject="N725MQ"), context)
    assert context.code is None
    assert (reply.model_name, reply.model_version, reply.id) == ("trips", "1", "r-1")
    assert [output.name for output in reply.outputs] == ["prediction", "action", "decision_id"]
    scores = np.frombuffer(reply.raw_output_contents[0], np.float64)
    assert [decision.prediction for decision in world.decisions] == scores.tolist()
    assert {decision.subject for decision in world.decisions} == {"N725MQ"}


@pytest.mark.parametrize(
    ("request_", "metadata", "code", "sentence"),
    [
        (asked(model="bus"), {}, Code.NOT_FOUND, "No model 'bus' answers here; this is trips"),
        (asked(version="7"), {}, Code.NOT_FOUND, "Version '7' is not loaded here"),
        (asked(17), {}, Code.INVALID_ARGUMENT, "17 rows; send at most 16"),
        (asked(2000), {}, Code.INVALID_ARGUMENT, "send at most 65536"),
        (messages.ModelInferRequest(model_name="trips"), {}, Code.INVALID_ARGUMENT, "There is no input"),
        (asked(), {"x_request_timeout_seconds": "soon"}, Code.INVALID_ARGUMENT, "must be a number of seconds"),
    ],
)
def test_what_is_wrong_is_said_and_not_logged(
    world: World, request_: Any, metadata: dict[str, str], code: Code, sentence: str
) -> None:
    context = FakeContext(**metadata)
    reply = infer(world, request_, context)
    assert (context.code, reply) == (code, messages.ModelInferResponse())
    assert sentence in context.details
    assert world.decisions == []


def test_a_fault_of_ours_is_internal_and_in_the_log(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, redacted_logs: None
) -> None:
    secret = "N725MQ"

    def broken(*_: object) -> None:
        raise RuntimeError(secret)

    monkeypatch.setattr("windvane.serve_apps.endpoints.oip_grpc.reply_of", broken)
    context = FakeContext()
    infer(world, asked(), context)
    assert context.code is Code.INTERNAL
    assert "send it once more" in context.details
    assert "A gRPC request about trips was not answered" in caplog.text
    assert "in broken\n" in caplog.text
    assert secret not in context.details + caplog.text


def test_a_category_that_was_never_declared_is_answered_and_counted_as_a_warning(world: World) -> None:
    request = messages.ModelInferRequest(model_name="trips")
    for name, datatype, contents in (
        ("temp", "FP64", {"fp64_contents": [3.5]}),
        ("distance", "FP64", {"fp64_contents": [1200.0]}),
        ("stops", "INT64", {"int64_contents": [1]}),
        ("night", "BOOL", {"bool_contents": [True]}),
        ("origin", "BYTES", {"bytes_contents": [b"Atlantis"]}),
    ):
        request.inputs.add(name=name, datatype=datatype, shape=[1], contents=messages.InferTensorContents(**contents))
    context = FakeContext()
    reply = infer(world, request, context)
    assert context.code is None
    assert "counts as unknown" in reply.parameters["warnings"].string_param
    assert world.counts.warnings == [(("origin", "unknown_category"),)]
    infer(world, asked(), FakeContext())
    assert len(world.counts.warnings) == 1


def test_the_version_that_answers_anyhow_may_be_named_by_anybody(world: World) -> None:
    assert infer(world, asked(version="1"), FakeContext()).model_version == "1"
    assert [decision.arm for decision in world.decisions] == ["champion"]


def test_during_a_rollout_a_version_is_the_owners_to_name(world: World) -> None:
    world.take(canary())
    refused = FakeContext()
    infer(world, asked(version="2"), refused)
    assert refused.code is Code.PERMISSION_DENIED
    owner = FakeContext(**BOSS)
    assert infer(world, asked(version="2"), owner).model_version == "2"
    assert [decision.arm for decision in world.decisions] == ["override"]


def test_a_deadline_that_has_passed_is_not_decided(world: World) -> None:
    found = OipGrpc(replace(world.data_plane, clock=Clock(lambda: NOW, lambda: 0.0)))
    world.ticks = 5.0  # by the decider's clock, five seconds after the endpoint's
    context = FakeContext(x_request_timeout_seconds="0.5")
    world.run(found.infer(asked(), context))
    assert context.code is Code.DEADLINE_EXCEEDED
    assert world.decisions == []


def test_what_would_be_answered_too_late_is_refused_unread_and_told_when_to_come(world: World) -> None:
    admission = world.decider.admission
    admission.enter()  # somebody is inside
    context = FakeContext(x_request_timeout_seconds="0.000000001")
    infer(world, messages.ModelInferRequest(model_name="trips"), context)
    assert context.code is Code.RESOURCE_EXHAUSTED
    assert [name for name, _ in context.trailing] == ["grpc-retry-pushback-ms"]
    assert admission.inside == 1


@pytest.mark.parametrize("request_", [asked(), asked(17), asked(version="7")])
def test_nobody_stays_inside_whatever_becomes_of_the_request(world: World, request_: Any) -> None:
    infer(world, request_, FakeContext())
    assert world.decider.admission.inside == 0


@pytest.mark.parametrize(
    ("peer", "local", "taken"),
    [
        ("ipv4:127.0.0.1:40312", True, True),
        ("ipv6:%5B::1%5D:40312", True, True),
        ("ipv6:[::1]:40312", True, True),
        ("ipv4:10.0.0.7:40312", True, False),
        ("ipv4:10.0.0.7:40312", False, True),
    ],
)
def test_a_local_windvane_answers_its_own_machine_only(world: World, peer: str, local: bool, taken: bool) -> None:
    context = FakeContext(peer)
    found = endpoint(world, local)
    world.run(found.infer(asked(), context))
    world.run(found.metadata(messages.ModelMetadataRequest(name="trips"), context))
    world.run(found.ready(messages.ModelReadyRequest(name="trips"), context))
    assert context.code is (None if taken else Code.PERMISSION_DENIED)
    assert len(world.decisions) == taken


CLIENT, OTHERS, READER, SLOW = (f"wv_{letter * 43}" for letter in "cors")


@pytest.fixture
def closed(versions: dict[int, LoadedVersion], tmp_path: Path) -> Iterator[World]:
    """World in which a caller without a key is nobody."""
    keys = (
        key(CLIENT, "client", models=("trips",)),
        key(OTHERS, "client", "owner", "admin", name="eve", models=("loans",)),
        key(READER, "operator", name="cleo"),
        limited(SLOW, 1.0, 2),
    )
    with gateway(versions, champion(), tmp_path, authenticator=knowing(*keys)) as found:
        yield found


@pytest.mark.parametrize(
    ("metadata", "infers", "reads"),
    [
        ({}, Code.UNAUTHENTICATED, Code.UNAUTHENTICATED),
        ({"authorization": "Bearer wrong"}, Code.UNAUTHENTICATED, Code.UNAUTHENTICATED),
        ({"x_api_key": CLIENT, **BOSS}, Code.UNAUTHENTICATED, Code.UNAUTHENTICATED),
        ({"x_windvane_role": "admin"}, Code.UNAUTHENTICATED, Code.UNAUTHENTICATED),
        ({"x_api_key": OTHERS}, Code.PERMISSION_DENIED, Code.PERMISSION_DENIED),
        ({"x_api_key": READER}, Code.PERMISSION_DENIED, None),
        ({"x_api_key": CLIENT}, None, None),
        (BOSS, None, None),
    ],
)
def test_every_method_asks_who_calls(closed: World, metadata: dict[str, str], infers: Code, reads: Code) -> None:
    found = endpoint(closed)
    for method, message, code in (
        (found.infer, asked(), infers),
        (found.metadata, messages.ModelMetadataRequest(name="trips"), reads),
        (found.ready, messages.ModelReadyRequest(name="trips"), reads),
    ):
        context = FakeContext(**metadata)
        closed.run(method(message, context))
        assert context.code is code
    assert len(closed.decisions) == (infers is None)
    assert len(closed.refusal_log) == [infers, reads, reads].count(infers) * (infers is not None)


def test_who_calls_comes_before_what_is_wrong(closed: World) -> None:
    for request in (asked(model="loans"), asked(17), asked(version="7"), messages.ModelInferRequest()):
        context = FakeContext()
        infer(closed, request, context)
        assert (context.code, context.details[:13]) == (Code.UNAUTHENTICATED, "Send your key")


def test_a_limit_counts_rows(closed: World) -> None:
    for rows, code in ((5, None), (1, Code.RESOURCE_EXHAUSTED)):
        context = FakeContext(x_api_key=SLOW)
        infer(closed, asked(rows), context)
        assert context.code is code
    assert context.trailing == [("grpc-retry-pushback-ms", "4000")]


def test_metadata_and_readiness_are_the_models(world: World) -> None:
    context, found = FakeContext(), endpoint(world)
    described = world.run(found.metadata(messages.ModelMetadataRequest(name="trips"), context))
    assert (described.name, list(described.versions)) == ("trips", ["1"])
    assert [each.name for each in described.inputs] == [feature.name for feature in SPEC.features]
    for version, ready in (("", True), ("1", True), ("2", False)):
        request = messages.ModelReadyRequest(name="trips", version=version)
        assert world.run(found.ready(request, context)).ready is ready
    assert context.code is None
    world.run(found.metadata(messages.ModelMetadataRequest(name="trips", version="2"), context))
    assert context.code is Code.NOT_FOUND


def test_without_a_split_the_model_is_not_ready_and_says_when_to_come_again(
    versions: dict[int, LoadedVersion], tmp_path: Path
) -> None:
    with gateway(versions, None, tmp_path) as world:
        context = FakeContext()
        request = messages.ModelReadyRequest(name="trips")
        assert not world.run(endpoint(world).ready(request, context)).ready
        infer(world, asked(), context)
        assert context.code is Code.UNAVAILABLE
        assert context.trailing == [("grpc-retry-pushback-ms", "1000")]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (WindvaneError("x"), Code.INTERNAL),
        (Invalid("x"), Code.INVALID_ARGUMENT),
        (Malformed("x"), Code.INVALID_ARGUMENT),
        (Unauthorized("x"), Code.UNAUTHENTICATED),
        (Forbidden("x"), Code.PERMISSION_DENIED),
        (NotFound("x"), Code.NOT_FOUND),
        (Conflict("x"), Code.ALREADY_EXISTS),
        (TooLarge("x"), Code.INVALID_ARGUMENT),
        (Unavailable("x"), Code.UNAVAILABLE),
        (Overloaded("x", 0.25), Code.RESOURCE_EXHAUSTED),
        (Expired("x"), Code.DEADLINE_EXCEEDED),
    ],
)
def test_every_error_has_the_status_that_clients_act_on(error: WindvaneError, code: Code) -> None:
    context = FakeContext()
    refuse(error, context)
    assert (context.code, context.details) == (code, "x")
    assert [name for name, _ in context.trailing] == ["grpc-retry-pushback-ms"] * isinstance(error, Unavailable)


def test_a_long_sentence_is_cut_to_what_a_header_holds() -> None:
    context = FakeContext()
    refuse(Invalid("x" * 5000), context)
    assert context.details == "x" * LONGEST_DETAILS
