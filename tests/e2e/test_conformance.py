"""schemathesis against a running Windvane: by its own document, and by the Open Inference Protocol's."""

import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import mkdtemp

import msgspec
import pytest
import yaml
from schemathesis.specs.openapi.definitions import OPENAPI_31_VALIDATOR

from tests.e2e.conftest import Place
from tests.e2e.protocol_cases import ROWS, Order
from tests.e2e.untrained import untrained
from tests.worlds.bundles import SPEC
from tests.worlds.gateway.world import asked

NAME = "conforming"
CONFIGURATION = Path(__file__).with_name("schemathesis.toml")
PROTOCOL = Path(__file__).parents[3] / "shared" / "oip" / "open_inference_rest.yaml"
INFER = "/v2/models/{MODEL_NAME}/versions/{MODEL_VERSION}/infer"
SHARES = ((("POST", "positive"),), (("POST", "negative"), ("GET", "positive")))  # each takes a core as long


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
    orders = [Order(text, str(place.http.base_url), place.key, NAME, share) for share in SHARES]
    with ThreadPoolExecutor(len(orders)) as both:
        replies = sum(both.map(asked_for, orders), Counter[tuple[str, int]]())
    operations = {f"{verb.upper()} {path}" for path, verbs in yaml.safe_load(text)["paths"].items() for verb in verbs}
    assert {operation for operation, _ in replies} == {
        each for each in operations if each.startswith(("GET ", "POST "))
    }
    assert replies.total() >= 5_000, replies
    assert {status for _, status in replies} >= {200, 400, 404}
    assert replies[f"POST {INFER}", 200] > 300


def asked_for(order: Order) -> Counter[tuple[str, int]]:
    """Replies to the cases of an order."""
    command = [sys.executable, "-m", "tests.e2e.protocol_cases"]
    done = subprocess.run(command, input=msgspec.json.encode(order), capture_output=True, timeout=280.0)
    assert done.returncode == 0, (done.stdout[-8_000:] + done.stderr[-8_000:]).decode()
    return Counter({(operation, status): count for operation, status, count in json.loads(done.stdout)})
