"""Asks what the Open Inference Protocol's own document makes up, and fails at the first reply that it does not allow.

A process of its own, since making cases up takes a whole core: its input is an `Order` as JSON, its output counts the
replies, each as [operation, status, count].
"""

import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any, TypeAlias

import msgspec
import requests
import schemathesis
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi import checks

CASES = {"GET": 1_500, "POST": 650}  # of an operation and a mode of generating
ROWS: Any = [{"name": "rows", "shape": [2, 5], "datatype": "FP32", "data": [1, 2, 3, 0, 1, 4, 5, 6, 1, -1]}]
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
AnyCase: TypeAlias = Case[Any]


class Order(msgspec.Struct, frozen=True):
    """Which cases to ask, and whom."""

    document: str  # in YAML
    url: str
    headers: dict[str, str]
    model: str  # that is there
    shares: tuple[tuple[str, str], ...]  # methods and modes of generating


def replies(order: Order) -> Counter[tuple[str, int]]:
    """How often each operation was answered with each status."""
    seen: Counter[tuple[str, int]] = Counter()
    with requests.Session() as http:
        http.headers.update(order.headers)
        for found in schemathesis.openapi.from_dict(yaml.safe_load(order.document)).get_all_operations():
            assert isinstance(found, Ok)
            operation = found.ok()
            method = operation.method.upper()
            for mode in (mode for of, mode in order.shares if of == method):

                @settings(MODERATE, max_examples=CASES[method])
                @given(operation.as_strategy(generation_mode=GenerationMode(mode)))
                def conforms(case: AnyCase) -> None:
                    for asked_for in variants(case, order.model, seen.total()):
                        reply = asked_for.call(base_url=order.url, session=http)
                        seen[asked_for.operation.label, reply.status_code] += 1
                        asked_for.validate_response(reply, checks=CHECKS)

                conforms()
    return seen


def variants(case: AnyCase, model: str, turn: int) -> Iterator[AnyCase]:
    """The case, led to the model that is there, and an inference once more with rows that it understands."""
    if case.path_parameters and (turn % 2 or case.method == "POST"):
        case.path_parameters = {"MODEL_NAME": model, "MODEL_VERSION": "1"}
    yield case
    if isinstance(case.body, dict) and "inputs" in case.body:
        case.body["inputs"] = ROWS
        if turn % 4 < 2:
            case.body.pop("outputs", None)
        yield case


if __name__ == "__main__":
    counted = replies(msgspec.json.decode(sys.stdin.buffer.read(), type=Order))
    sys.stdout.buffer.write(msgspec.json.encode([(*what, count) for what, count in counted.items()]))
