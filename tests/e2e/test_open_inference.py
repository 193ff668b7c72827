"""Other projects' clients of the Open Inference Protocol, unmodified, over HTTP: Triton's, KServe's and MLServer's."""

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tritonclient import http as triton
from tritonclient.utils import InferenceServerException

from tests.e2e.conftest import PORT, Place, Shown
from tests.e2e.untrained import untrained
from tests.worlds.bundles import SPEC
from windvane.cluster.decision_log.read.tail import Tail
from windvane.cluster.decision_log.record import Decision

MODEL = "oip-http"
URL = f"127.0.0.1:{PORT}"
CLIENTS = Path(os.environ.get("WINDVANE_CLIENTS", "var/clients")).absolute()
SCRIPTS = Path(__file__).parent / "clients"
NAMED = (
    {"temp": 3.5, "distance": 1200.0, "stops": 1, "night": True, "origin": "JFK"},
    {"temp": -4.0, "distance": 7.0, "stops": 2, "night": False, "origin": "LGA"},
)
ROWS = [[3.5, 1200.0, 1.0, 1.0, 1.0], [-4.0, 7.0, 2.0, 0.0, 2.0]]
DATATYPES = {"temp": "FP32", "distance": "FP64", "stops": "INT64", "night": "BOOL", "origin": "BYTES"}
NUMPY = {"FP32": np.float32, "FP64": np.float64, "INT64": np.int64, "BOOL": np.bool_, "BYTES": np.object_}


@dataclass(frozen=True)
class Answers:
    """Predictions, actions and decision ids that one way of asking gave for the rows."""

    predictions: list[float]
    actions: list[str]
    decision_ids: list[str]


@pytest.fixture(scope="module")
def deployed(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """One model with one version, registered without a training job."""
    with untrained(place, SPEC.model_copy(update={"name": MODEL}), tmp_path_factory.mktemp(MODEL)):
        yield place


@pytest.fixture(scope="module")
def decided(deployed: Place) -> Answers:
    """The rows as our own endpoint decides them."""
    asked = {"instances": [{"subject": "N1", "features": row} for row in NAMED]}
    reply = deployed.http.post(f"/v2/models/{MODEL}/decide", json=asked).json()["decisions"]
    return Answers(
        [each["prediction"] for each in reply],
        [each["decision"]["action"] for each in reply],
        [each["decision_id"] for each in reply],
    )


@pytest.fixture(scope="module")
def client(deployed: Place) -> Iterator[triton.InferenceServerClient]:
    with triton.InferenceServerClient(URL) as found:
        found.register_plugin(Shown(deployed.key))
        yield found


def logged(place: Place, answers: Answers) -> list[Decision]:
    """The records of these decisions, in their order; fails when one is not in the log."""
    found = {
        record.decision_id: record
        for record in Tail(place.home / "log" / MODEL).read(limit=100_000)
        if isinstance(record, Decision)
    }
    return [found[name] for name in answers.decision_ids]


def expect_the_same(place: Place, answers: Answers, decided: Answers, subjects: set[str] | None = None) -> None:
    assert answers.predictions == decided.predictions
    assert answers.actions == decided.actions
    records = logged(place, answers)
    assert [record.prediction for record in records] == decided.predictions
    assert [record.features for record in records] == [tuple(row.values()) for row in NAMED]
    if subjects is None:
        assert len({record.subject for record in records}) == len(records)
    else:
        assert {record.subject for record in records} == set(map(place.logged_as, subjects))


def one_tensor(binary: bool) -> list[triton.InferInput]:
    tensor = triton.InferInput("input", [2, 5], "FP64")
    tensor.set_data_from_numpy(np.array(ROWS), binary_data=binary)
    return [tensor]


def named_tensors(binary: bool) -> list[triton.InferInput]:
    tensors = []
    for name, datatype in DATATYPES.items():
        tensor = triton.InferInput(name, [2, 1], datatype)
        column = [[row[name]] for row in NAMED]
        tensor.set_data_from_numpy(np.array(column, NUMPY[datatype]), binary_data=binary)
        tensors.append(tensor)
    return tensors


def texts(array: Any) -> list[str]:
    return [text.decode() if isinstance(text, bytes) else text for text in array.tolist()]


@pytest.mark.parametrize("inputs", [one_tensor, named_tensors])
@pytest.mark.parametrize("binary_in", [False, True])
@pytest.mark.parametrize("binary_out", [False, True, None])
def test_tritons_client_gets_what_decide_gives(
    client: Any, deployed: Place, decided: Answers, inputs: Any, binary_in: bool, binary_out: bool | None
) -> None:
    """With `binary_out` None no outputs are named, and Triton's client asks for all of them as bytes."""
    wanted = None
    if binary_out is not None:
        names = ("prediction", "action", "decision_id")
        wanted = [triton.InferRequestedOutput(name, binary_data=binary_out) for name in names]
    reply = client.infer(
        MODEL, inputs(binary_in), outputs=wanted, request_id="r-1", parameters={"subject": "by triton"}
    )
    found = Answers(
        reply.as_numpy("prediction").tolist(), texts(reply.as_numpy("action")), texts(reply.as_numpy("decision_id"))
    )
    expect_the_same(deployed, found, decided, {"by triton"})
    response = reply.get_response()
    assert (response["model_name"], response["model_version"], response["id"]) == (MODEL, "1", "r-1")


def test_tritons_client_learns_what_there_is(client: Any) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    server = client.get_server_metadata()
    assert (server["name"], server["extensions"]) == ("windvane", ["binary_tensor_data"])
    assert client.is_model_ready(MODEL)
    assert client.is_model_ready(MODEL, "1")
    assert not client.is_model_ready(MODEL, "7")
    assert not client.is_model_ready("nobody")
    for version in ("", "1"):
        found = client.get_model_metadata(MODEL, version)
        assert (found["name"], found["versions"]) == (MODEL, ["1"])
        assert {each["name"]: each["datatype"] for each in found["inputs"]} == DATATYPES | {"temp": "FP64"}


def test_tritons_client_gets_an_explanation(client: Any) -> None:
    wanted = [triton.InferRequestedOutput(name) for name in ("prediction", "explanation")]
    reply = client.infer(MODEL, one_tensor(True), outputs=wanted)
    weights = reply.as_numpy("explanation")
    assert weights.shape == (2, 6)
    assert 1 / (1 + np.exp(-weights.sum(axis=1))) == pytest.approx(reply.as_numpy("prediction"), abs=1e-4)


def test_tritons_client_may_name_the_version_that_answers_anyhow(
    client: Any, deployed: Place, decided: Answers
) -> None:
    reply = client.infer(MODEL, one_tensor(True), model_version="1")
    assert reply.as_numpy("prediction").tolist() == decided.predictions
    with pytest.raises(InferenceServerException, match="Version '7' is not loaded here; loaded are: 1"):
        client.infer(MODEL, one_tensor(True), model_version="7")


def test_tritons_client_is_told_what_is_wrong(client: Any) -> None:
    tensor = triton.InferInput("input", [1, 5], "FP32")
    tensor.set_data_from_numpy(np.array([[99, 1, 1, 1, 1]], np.float32))
    with pytest.raises(InferenceServerException, match="row 0 must be at most 60 C"):
        client.infer(MODEL, [tensor])
    with pytest.raises(InferenceServerException, match="No model 'nobody' is deployed here"):
        client.infer("nobody", one_tensor(True))
    with pytest.raises(InferenceServerException, match="There is nothing at /v2/repository/index"):
        client.get_model_repository_index()


def command_of(client: str, name: str) -> str:
    """The program of another project's environment."""
    program = CLIENTS / client / "bin" / name
    if not program.exists():
        pytest.fail(f"{program} is missing: `make clients` installs it")
    return str(program)


def test_kserves_client_gets_what_decide_gives(deployed: Place, decided: Answers) -> None:
    """Both forms of input, as JSON and as bytes."""
    columns = {
        name: {"datatype": datatype, "values": [row[name] for row in NAMED]} for name, datatype in DATATYPES.items()
    }
    done = subprocess.run(
        [command_of("kserve", "python"), str(SCRIPTS / "ask_kserve.py"), f"http://{URL}", MODEL],
        input=json.dumps({"one": ROWS, "each": columns, "headers": deployed.key}),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    answers = found.pop("answers")
    assert found == {"live": True, "ready": True, "model ready": True, "other model ready": False}
    assert set(answers) == {"one json", "each json", "one binary", "each binary"}
    for given in answers.values():
        expect_the_same(
            deployed, Answers(given["prediction"], given["action"], given["decision_id"]), decided, {"kserve"}
        )


@pytest.mark.parametrize("options", [[], ["--binary-data"], ["--batch-size", "2"]])
def test_mlservers_infer_gets_what_decide_gives(
    deployed: Place, decided: Answers, tmp_path: Path, options: list[str]
) -> None:
    """It sends a request a line; in batches it joins the lines' tensors and takes the reply apart again."""
    one = [
        {"id": f"one-{place}", "inputs": [{"name": "input", "datatype": "FP64", "shape": [1, 5], "data": row}]}
        for place, row in enumerate(ROWS)
    ]
    each = [
        {
            "id": f"each-{place}",
            "inputs": [
                {"name": name, "datatype": datatype, "shape": [1, 1], "data": [row[name]]}
                for name, datatype in DATATYPES.items()
            ],
        }
        for place, row in enumerate(NAMED)
    ]
    forms = {"one": one, "each": each}
    for form, requests in forms.items():
        (tmp_path / f"{form}-asked").write_text("".join(json.dumps(request) + "\n" for request in requests))
    command = [command_of("mlserver", "mlserver"), "infer", "--url", URL, "--model-name", MODEL, "--retries", "1"]
    command += ["--request-headers", f"authorization:{deployed.key['authorization']}"]
    # At once: each takes seconds to start.
    started = [
        subprocess.Popen(
            [*command, "--input-data-path", f"{form}-asked", "--output-data-path", f"{form}-told", *options],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for form in forms
    ]
    said = [process.communicate(timeout=120)[0] for process in started]
    assert [process.returncode for process in started] == [0, 0], said
    for form in forms:
        told = (tmp_path / f"{form}-told").read_text()
        replies = {reply["id"]: reply for reply in map(json.loads, told.splitlines())}
        assert set(replies) == {f"{form}-0", f"{form}-1"}, replies
        outputs = [
            {output["name"]: output["data"][0] for output in replies[f"{form}-{place}"]["outputs"]} for place in (0, 1)
        ]
        names = ("prediction", "action", "decision_id")
        expect_the_same(deployed, Answers(*([output[name] for output in outputs] for name in names)), decided)
