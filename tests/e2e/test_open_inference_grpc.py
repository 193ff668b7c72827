"""An unmodified tritonclient over gRPC, with two models beside control: nothing of Ray is named by the client."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeAlias

import grpc
import numpy as np
import psutil
import pytest
from tritonclient import grpc as triton
from tritonclient.grpc import service_pb2 as messages
from tritonclient.grpc import service_pb2_grpc as stubs
from tritonclient.utils import InferenceServerException

from tests.e2e.conftest import GRPC_PORT, PORT, Place, Shown, wait_for
from tests.e2e.untrained import Untrained, all_untrained
from tests.worlds.bundles import SPEC
from windvane.cluster.decision_log.read.tail import Tail
from windvane.cluster.decision_log.record import Decision
from windvane.cluster.host.ports import replica_grpc_ports

TRIPS, RIDES = "oip-trips", "oip-rides"
ROW = [3.5, 1200.0, 1.0, 1.0, 1.0]
NAMED = {"temp": 3.5, "distance": 1200.0, "stops": 1, "night": True, "origin": "JFK"}
DATATYPES = {"temp": "FP32", "distance": "FP64", "stops": "INT64", "night": "BOOL", "origin": "BYTES"}
NUMPY = {"FP32": np.float32, "FP64": np.float64, "INT64": np.int64, "BOOL": np.bool_, "BYTES": np.object_}


@pytest.fixture(scope="module")
def deployed(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Two models with one version each, registered without a training job."""
    wanted = [
        Untrained(SPEC.model_copy(update={"name": model}), tmp_path_factory.mktemp(model), seed)
        for seed, model in ((1, TRIPS), (2, RIDES))
    ]
    with all_untrained(place, *wanted):
        yield place


@pytest.fixture(scope="module")
def client(deployed: Place) -> Iterator[triton.InferenceServerClient]:
    with triton.InferenceServerClient(f"127.0.0.1:{GRPC_PORT}") as found:
        found.register_plugin(Shown(deployed.key))
        wait_for("both models", lambda: all(_ready(found, model) for model in (TRIPS, RIDES)))
        yield found


def _ready(client: triton.InferenceServerClient, model: str) -> bool:
    try:
        return bool(client.is_model_ready(model))
    except InferenceServerException:
        return False


Inputs: TypeAlias = Callable[..., list[triton.InferInput]]


def one_tensor(rows: int = 1) -> list[triton.InferInput]:
    tensor = triton.InferInput("input", [rows, len(ROW)], "FP64")
    tensor.set_data_from_numpy(np.array([ROW] * rows))
    return [tensor]


def named_tensors(rows: int = 1) -> list[triton.InferInput]:
    tensors = []
    for name, value in NAMED.items():
        tensor = triton.InferInput(name, [rows], DATATYPES[name])
        tensor.set_data_from_numpy(np.array([value] * rows, NUMPY[DATATYPES[name]]))
        tensors.append(tensor)
    return tensors


def decisions(place: Place, model: str) -> list[Decision]:
    return [record for record in Tail(place.home / "log" / model).read(limit=100_000) if isinstance(record, Decision)]


def test_the_server_is_live_and_ready_and_tells_who_it_is(client: triton.InferenceServerClient) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.get_server_metadata().name == "windvane"


def test_each_model_describes_itself(client: triton.InferenceServerClient) -> None:
    for model in (TRIPS, RIDES):
        found = client.get_model_metadata(model)
        assert (found.name, list(found.versions), found.platform) == (model, ["1"], "onnxruntime_onnx")
        assert {"prediction", "action"} <= {each.name for each in found.outputs}
        assert client.is_model_ready(model, "1")
        assert not client.is_model_ready(model, "7")


@pytest.mark.parametrize("inputs", [one_tensor, named_tensors])
def test_both_input_shapes_are_decided_as_the_json_endpoint_does(
    client: triton.InferenceServerClient, deployed: Place, inputs: Inputs
) -> None:
    asked = {"subject": "N725MQ", "features": NAMED, "context": {"event_time": "2026-01-01T00:00:00Z"}}
    for model in (TRIPS, RIDES):
        expected = deployed.http.post(f"/v2/models/{model}/decide", json=asked).json()
        answer = client.infer(model, inputs(3), request_id="r-1", parameters={"subject": "N725MQ"})
        assert answer.as_numpy("prediction") == pytest.approx([expected["prediction"]] * 3, abs=1e-6)
        assert answer.as_numpy("action").tolist() == [expected["decision"]["action"].encode()] * 3
        response = answer.get_response()
        assert (response.model_name, response.model_version, response.id) == (model, "1", "r-1")


def test_a_decision_over_grpc_is_in_the_log(client: triton.InferenceServerClient, deployed: Place) -> None:
    answer = client.infer(TRIPS, one_tensor(), parameters={"subject": "logged-over-grpc"})
    decision_id = answer.as_numpy("decision_id")[0].decode()
    found = {record.decision_id: record for record in decisions(deployed, TRIPS)}
    assert found[decision_id].subject == deployed.logged_as("logged-over-grpc")
    assert found[decision_id].prediction == pytest.approx(answer.as_numpy("prediction")[0])


def test_an_explanation_is_given_where_it_is_asked_for(client: triton.InferenceServerClient) -> None:
    outputs = [triton.InferRequestedOutput("prediction"), triton.InferRequestedOutput("explanation")]
    answer = client.infer(TRIPS, one_tensor(2), outputs=outputs)
    weights = answer.as_numpy("explanation")
    assert weights.shape == (2, 1 + len(ROW))
    assert 1 / (1 + np.exp(-weights.sum(axis=1))) == pytest.approx(answer.as_numpy("prediction"), abs=1e-4)


def test_typed_contents_are_answered_with_typed_contents(deployed: Place) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{GRPC_PORT}") as channel:
        request = messages.ModelInferRequest(model_name=TRIPS)
        request.inputs.add(name="x", datatype="FP64", shape=[1, 5]).contents.fp64_contents.extend(ROW)
        reply = stubs.GRPCInferenceServiceStub(channel).ModelInfer(request, metadata=list(deployed.key.items()))
    assert not reply.raw_output_contents
    assert len(reply.outputs[0].contents.fp64_contents) == 1


def test_requests_larger_than_a_buffer_find_their_model(client: triton.InferenceServerClient) -> None:
    """HAProxy sees the first 16 KB of a message, and the model's name is always among them."""
    inputs = [*named_tensors(16), triton.InferInput("subject", [16], "BYTES")]
    inputs[-1].set_data_from_numpy(np.array(["s" * 100] * 16, np.object_))
    assert client.infer(TRIPS, inputs, parameters={"context.note": "n" * 200}).as_numpy("prediction").shape == (16,)
    with pytest.raises(InferenceServerException, match="send at most 65536"):
        client.infer(TRIPS, one_tensor(2000))
    # Twice what the model takes is not read: gRPC refuses it before a key is looked at.
    with pytest.raises(InferenceServerException, match="larger than max"):
        client.infer(TRIPS, one_tensor(4000))


@pytest.mark.parametrize(
    ("model", "version", "inputs", "code", "sentence"),
    [
        ("nobody", "", one_tensor, "NOT_FOUND", "No model 'nobody' is deployed here"),
        ("", "", one_tensor, "INVALID_ARGUMENT", "names no model"),
        (TRIPS, "7", one_tensor, "NOT_FOUND", "Version '7' is not loaded here"),
        (TRIPS, "", lambda: named_tensors()[:2], "INVALID_ARGUMENT", "Input 'stops' is missing"),
        (TRIPS, "", lambda: one_tensor(17), "INVALID_ARGUMENT", "send at most 16"),
    ],
)
def test_what_is_wrong_is_said_with_the_status_clients_expect(
    client: triton.InferenceServerClient, model: str, version: str, inputs: Inputs, code: str, sentence: str
) -> None:
    with pytest.raises(InferenceServerException) as caught:
        client.infer(model, inputs(), model_version=version)
    assert caught.value.status() == f"StatusCode.{code}"
    assert sentence in caught.value.message()


def test_a_version_that_answers_anyhow_may_be_named(client: triton.InferenceServerClient) -> None:
    assert client.infer(TRIPS, one_tensor(), model_version="1").get_response().model_version == "1"


def test_the_application_may_be_named_as_ray_serve_has_it(client: triton.InferenceServerClient) -> None:
    answer = client.infer(RIDES, one_tensor(), headers={"application": RIDES})
    assert answer.get_response().model_name == RIDES


def test_an_application_that_is_not_there_is_named(client: triton.InferenceServerClient) -> None:
    with pytest.raises(InferenceServerException, match="No application 'nobody' is deployed here"):
        client.infer(RIDES, one_tensor(), headers={"application": "nobody"})


def test_what_is_sent_compressed_is_told_to_come_as_it_is(client: triton.InferenceServerClient) -> None:
    for headers in ({}, {"application": TRIPS}):
        with pytest.raises(InferenceServerException, match="Compressed messages are not taken: send it uncompressed"):
            client.infer(TRIPS, one_tensor(16), compression_algorithm="gzip", headers=headers)


def test_replicas_own_ports_read_no_large_message_and_no_compressed_one(deployed: Place) -> None:
    """They are open on every interface, and go round HAProxy."""
    del deployed
    listening = {
        connection.laddr[1]
        for connection in psutil.net_connections("tcp")
        if connection.laddr and connection.status == psutil.CONN_LISTEN
    }
    found = listening.intersection(replica_grpc_ports(PORT))
    assert len(found) >= 3  # control's, and one of each model
    for port in found:
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            infer = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
            for size, compression, code in (
                (3_000_000, grpc.Compression.NoCompression, grpc.StatusCode.RESOURCE_EXHAUSTED),
                (3_000, grpc.Compression.Gzip, grpc.StatusCode.UNIMPLEMENTED),
            ):
                with pytest.raises(grpc.RpcError) as refused:
                    infer(bytes(size), timeout=30.0, compression=compression)
                assert refused.value.code() is code


def test_calls_at_once_are_all_answered(client: triton.InferenceServerClient) -> None:
    with ThreadPoolExecutor(8) as pool:
        models = [TRIPS, RIDES] * 100
        answers = list(pool.map(lambda model: client.infer(model, one_tensor()), models))
    assert [answer.get_response().model_name for answer in answers] == models


def test_only_loopback_is_listened_on(deployed: Place) -> None:
    listening = {
        connection.laddr[0]
        for connection in psutil.net_connections("tcp")
        if connection.laddr and (connection.status, connection.laddr[1]) == (psutil.CONN_LISTEN, GRPC_PORT)
    }
    assert listening == {"127.0.0.1"}


def test_grpcs_own_health_service_is_answered_without_a_key(deployed: Place) -> None:
    """As Kubernetes and Envoy ask it; of a single model it says nothing."""
    del deployed
    with grpc.insecure_channel(f"127.0.0.1:{GRPC_PORT}") as channel:
        check = channel.unary_unary("/grpc.health.v1.Health/Check")
        serving = bytes((0x08, 1))
        protocol = b"inference.GRPCInferenceService"
        assert check(b"", timeout=30.0) == check(b"\x0a" + bytes([len(protocol)]) + protocol, timeout=30.0) == serving
        with pytest.raises(grpc.RpcError) as refused:
            check(b"\x0a" + bytes([len(TRIPS)]) + TRIPS.encode(), timeout=30.0)
        assert refused.value.code() == grpc.StatusCode.NOT_FOUND


def test_an_unknown_category_is_answered_with_a_warning(client: triton.InferenceServerClient) -> None:
    inputs = [each for each in named_tensors() if each.name() != "origin"]
    origin = triton.InferInput("origin", [1], "BYTES")
    origin.set_data_from_numpy(np.array([b"Atlantis"], np.object_))
    reply = client.infer(TRIPS, [*inputs, origin]).get_response()
    assert '"/inputs/4/data/0"' in reply.parameters["warnings"].string_param
    assert "Atlantis" not in reply.parameters["warnings"].string_param
    assert not client.infer(TRIPS, named_tensors()).get_response().parameters
