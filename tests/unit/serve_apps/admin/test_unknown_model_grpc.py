"""Over gRPC nobody learns whether there is a model that is not theirs."""

import asyncio
from collections.abc import Callable

import pytest
from grpc import StatusCode as Code
from tritonclient.grpc import service_pb2 as messages

from tests.worlds.callers.keys import BOSS, key, knowing, limited
from tests.worlds.gateway.grpc_context import FakeContext
from windvane.cluster.errors import Unavailable
from windvane.serve_apps.admin.unknown_model_grpc import UnknownModelGrpc
from windvane.serve_apps.endpoints.refusal_log import RefusalLog

OTHERS, SLOW = "wv_" + "o" * 43, "wv_" + "s" * 43


def unheard_of(_: str) -> None:
    """No model is deployed."""


def answered(
    context: FakeContext, local: bool = True, times: int = 1, demand_gone: Callable[[str], None] = unheard_of
) -> list[str]:
    said: list[str] = []
    authenticator = knowing(key(OTHERS, "client", name="eve", models=("loans",)), limited(SLOW, 1.0, 1))
    unknown_model = UnknownModelGrpc(authenticator, RefusalLog(said.append, lambda: 0.0), local, demand_gone)
    empty = messages.ModelInferResponse()
    for _ in range(times):
        assert asyncio.run(unknown_model.answer("trips", empty, context)) is empty
    return said


@pytest.mark.parametrize(
    ("metadata", "code", "sentence"),
    [
        ({}, Code.UNAUTHENTICATED, "Send your key"),
        ({"x_api_key": "wv_nobodys"}, Code.UNAUTHENTICATED, "This key is not known here"),
        ({"x_api_key": OTHERS}, Code.PERMISSION_DENIED, "'eve' may not use this model"),
        (
            {"x_api_key": OTHERS, "x-windvane-application": "boats"},
            Code.PERMISSION_DENIED,
            "'eve' may not use this model",
        ),
        (BOSS, Code.NOT_FOUND, "No model 'trips' is deployed here"),
        (BOSS | {"x-windvane-application": "boats"}, Code.NOT_FOUND, "No application 'boats' is deployed here"),
    ],
)
def test_who_may_know_is_told(metadata: dict[str, str], code: Code, sentence: str) -> None:
    context = FakeContext(**metadata)
    said = answered(context)
    assert (context.code, context.details[: len(sentence)]) == (code, sentence)
    assert len(said) == (code is not Code.NOT_FOUND)


def test_who_asks_too_fast_is_told_so() -> None:
    context = FakeContext(x_api_key=SLOW)
    answered(context, times=2)
    assert context.code is Code.RESOURCE_EXHAUSTED


def test_a_local_windvane_answers_its_own_machine_only() -> None:
    for local, code in ((True, Code.PERMISSION_DENIED), (False, Code.NOT_FOUND)):
        context = FakeContext("ipv4:10.0.0.7:40312", **BOSS)
        answered(context, local)
        assert context.code is code


def test_a_connection_that_is_older_than_a_models_route_is_told_to_ask_again() -> None:
    def deployed(model: str) -> None:
        raise Unavailable(f"{model} is deployed and this request did not reach it")

    context = FakeContext(**BOSS)
    answered(context, demand_gone=deployed)
    assert (context.code, context.details[:17]) == (Code.UNAVAILABLE, "trips is deployed")


def test_a_fault_of_ours_is_internal_with_a_way_on_and_in_the_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, redacted_logs: None
) -> None:
    subject = "N725MQ"

    def look_up(*_: object) -> None:
        raise KeyError(subject)

    monkeypatch.setattr("windvane.serve_apps.admin.unknown_model_grpc.demand_model", look_up)
    context = FakeContext(**BOSS)
    answered(context)
    assert context.code is Code.INTERNAL
    assert "send it once more" in context.details
    assert "in look_up\n" in caplog.text
    assert subject not in context.details + caplog.text
