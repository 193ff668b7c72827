"""schemathesis against a running Windvane: by its own document, and by the Open Inference Protocol's."""

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, TypeAlias

import pytest
import requests
import schemathesis
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi import checks
from schemathesis.specs.openapi.definitions import OPENAPI_31_VALIDATOR

from tests.e2e.conftest import Place
from tests.e2e.untrained import untrained
from tests.worlds.bundles import SPEC
from tests.worlds.gateway.world import asked

NAME = "conforming"
CONFIGURATION = Path(__file__).with_name("schemathesis.toml")
PROTOCOL = Path(__file__).parents[3] / "shared" / "oip" / "open_inference_rest.yaml"
CASES = {"GET": 1_500, "POST": 650}  # on the protocol's file, of an operation and a mode of generating
ROWS: Any = [{"name": "rows", "shape": [2, 5], "datatype": "FP32", "data": [1, 2, 3, 0, 1, 4, 5, 6, 1, -1]}]
INFER = "/v2/models/{MODEL_NAME}/versions/{MODEL_VERSION}/infer"
CHECKS = [
    not_a_server_error,
    checks.response_schema_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
]
MODERATE = settings(
    derandomize=True,
    database=None,
    deadline=None,
    phases=(Phase.generate,),  # hill climbing towards large requests would take most of the time
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def endpoint(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with untrained(place, SPEC.model_copy(update={"name": NAME}), tmp_path_factory.mktemp(NAME)) as found:
        assert place.http.post(f"{found}/decide", json=asked()).status_code == 200  # so that there is a log
        yield found


def fuzz(place: Place, folder: Path, paths: str, *options: str, configuration: Path = CONFIGURATION) -> int:
    """Run schemathesis over these paths of our own document; how many cases it tried."""
    folder = Path(mkdtemp(dir=folder))  # several run at once
    command = [
        *(str(Path(sys.executable).parent / "schemathesis"), "--config-file", str(configuration)),
        *(
            "run",
            str(folder / "openapi.json"),
            "--url",
            str(place.http.base_url),
            "--no-color",
            "--continue-on-failure",
        ),
        *("--generation-deterministic", "--phases", "examples,coverage,fuzzing", "--include-path-regex", paths),
    ]
    (folder / "openapi.json").write_text(place.http.get("/openapi.json").text)
    done = subprocess.run([*command, *options], cwd=folder, capture_output=True, text=True, timeout=300.0)
    assert done.returncode == 0, done.stdout[-12_000:] + done.stderr[-2_000:]
    tried = re.search(r"(\d+) generated, \d+ passed", done.stdout)
    assert tried is not None, done.stdout[-2_000:]
    return int(tried[1])


def bearer(place: Place) -> str:
    return f"Authorization: {place.http.headers['authorization']}"


def test_the_document_is_openapi_3_1(place: Place, endpoint: str) -> None:
    told = place.http.get("/openapi.json").json()
    assert f"{endpoint}/decide" in told["paths"]
    OPENAPI_31_VALIDATOR.validate(told)


def test_every_endpoint_of_a_model_answers_as_our_document_says(place: Place, endpoint: str, tmp_path: Path) -> None:
    paths = rf"^/v2($|/health/|/models/{NAME}($|/))"
    with ThreadPoolExecutor() as both:
        stranger = both.submit(fuzz, place, tmp_path, paths, "-n", "10")
        owner = both.submit(fuzz, place, tmp_path, paths, "-n", "40", "-H", bearer(place))
    assert stranger.result() > 300
    assert owner.result() > 1_000


def test_the_control_api_answers_as_our_document_says(place: Place, endpoint: str, tmp_path: Path) -> None:
    """Whatever there is to read; changes without a key, and with one those of keys, policies and made-up people.

    Changes of a model are tried with a key that is for one that does not exist: schemathesis remembers names that it
    was shown, and would take the others out of service.
    """

    def state() -> list[object]:
        models = place.http.get("/api/status").json()["models"]
        policies = place.http.get("/api/policies").json()
        said = [[each[name] for name in ("name", "champion", "split", "rollout", "retrain")] for each in models]
        return [*said, policies["live"], policies["proposal"]]

    def fixed(name: str, **parameters: str) -> Path:
        lines = [f'"{parameter}" = "{value}"' for parameter, value in parameters.items()]
        written = tmp_path / f"{name}.toml"
        written.write_text("\n".join([CONFIGURATION.read_text(), "[parameters]", *lines, ""]))
        return written

    before, key = state(), ("-H", bearer(place))
    order = {"name": "conformance", "roles": ["admin"], "models": ["nobody"]}
    made = place.http.post("/api/keys", json=order).json()["key"]
    nobodys_key = ("-H", f"Authorization: Bearer {made}")
    reading = (*key, "--exclude-method", "POST", "--exclude-method", "PUT")  # what one option includes, another adds to
    one, nobody = fixed("one", **{"path.model": NAME, "query.model": NAME}), fixed("nobody", **{"path.model": "nobody"})
    no_key = fixed("no-key", **{"path.key_id": "0123456789ab"})  # else it finds the one that it shows, and revokes it
    of_a_model = r"^/api/models/\{model\}"
    with ThreadPoolExecutor(3) as some:
        runs = [
            some.submit(fuzz, place, tmp_path, "^/(api|metrics)", "-n", "10"),
            some.submit(fuzz, place, tmp_path, of_a_model, "-n", "12", configuration=one),
            some.submit(fuzz, place, tmp_path, "^/(api|metrics)", "-n", "12", *reading, configuration=one),
            some.submit(fuzz, place, tmp_path, of_a_model, "-n", "12", *nobodys_key, configuration=nobody),
            some.submit(fuzz, place, tmp_path, "^/api/(keys|policies)", "-n", "10", *key, configuration=no_key),
            some.submit(fuzz, place, tmp_path, "^/api/(subjects|privacy)", "-n", "10", *key),
        ]
    tried = [run.result() for run in runs]
    assert min(tried) > 100, tried
    assert sum(tried) > 1_500, tried
    assert state() == before


@pytest.mark.parametrize("header", ["x-request-timeout-seconds", "x-request-id", "serve_multiplexed_model_id"])
def test_a_header_that_is_no_text_is_no_fault_of_the_server(place: Place, endpoint: str, header: str) -> None:
    """Ray Serve reads these before any of our code runs."""
    for path in f"{endpoint}/ready", "/api/status", "/v2":
        assert place.http.get(path, headers={header.encode(): b"\xff"}).status_code in (
            200,
            400,
        )  # 200 where Serve let it pass
    for verb, body in ("decide", asked()), ("infer", {"inputs": ROWS}):
        assert place.http.post(f"{endpoint}/{verb}", json=body, headers={header.encode(): b"\xff"}).status_code in (
            200,
            400,
            422,
        )


@pytest.mark.skipif(not PROTOCOL.exists(), reason="the protocol's file is not in ../shared/oip beside this checkout")
def test_nothing_departs_from_the_protocols_own_document(place: Place, endpoint: str) -> None:
    """At least 5,000 cases, of what its schemas allow and of what they do not: no 5xx, and no reply they do not allow.

    Every second question names the model that is there. Every inference does, and is asked for once more with rows
    that it understands: made-up ones alone would all end in the same refusal, and making them up takes the time.
    """
    text = PROTOCOL.read_text().replace("${", "{")  # OpenAPI has no such parameters: they would be $1 for 1
    replies: Counter[tuple[str, int]] = Counter()
    with requests.Session() as http:
        http.headers.update(place.key)
        for found in schemathesis.openapi.from_dict(yaml.safe_load(text)).get_all_operations():
            assert isinstance(found, Ok)
            operation = found.ok()
            modes = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE) if operation.body else (GenerationMode.POSITIVE,)
            for mode in modes:

                @settings(MODERATE, max_examples=CASES[operation.method.upper()])
                @given(operation.as_strategy(generation_mode=mode))
                def conforms(case: AnyCase) -> None:
                    for asked_for in variants(case, replies.total()):
                        reply = asked_for.call(base_url=str(place.http.base_url), session=http)
                        replies[asked_for.operation.label, reply.status_code] += 1
                        asked_for.validate_response(reply, checks=CHECKS)

                conforms()
    assert replies.total() >= 5_000, replies
    assert {status for _, status in replies} >= {200, 400, 404}
    assert replies[f"POST {INFER}", 200] > 300


AnyCase: TypeAlias = Case[Any]


def variants(case: AnyCase, turn: int) -> Iterator[AnyCase]:
    """The case, led to the model that is there, and an inference once more with rows that it understands."""
    if case.path_parameters and (turn % 2 or case.method == "POST"):
        case.path_parameters = {"MODEL_NAME": NAME, "MODEL_VERSION": "1"}
    yield case
    if isinstance(case.body, dict) and "inputs" in case.body:
        case.body["inputs"] = ROWS
        if turn % 4 < 2:
            case.body.pop("outputs", None)
        yield case
