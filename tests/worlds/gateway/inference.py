"""Requests of the Open Inference Protocol, and the outputs of their replies."""

from typing import Any

from tests.worlds.gateway.world import Reply

MODEL = "/v2/models/trips"
INFER = f"{MODEL}/infer"
ALL = [3.5, 1200.0, 1.0, 1.0, 1.0]  # FEATURES as one row of numbers
BODY = {"inputs": [{"name": "all", "datatype": "FP64", "shape": [1, 5], "data": ALL}]}


def outputs(reply: Reply) -> dict[str, Any]:
    assert reply.status == 200, reply.body
    return {each["name"]: each["data"] for each in reply.json["outputs"]}
