"""Runs where KServe's client is installed: asks a model in every form and prints what came back, as JSON.

ask_kserve.py BASE_URL MODEL < {"one": [[…]], "each": {"name": {"datatype": …, "values": […]}}, "headers": {…}}
"""

import asyncio
import json
import sys
from typing import Any

import numpy as np
from kserve import InferenceRESTClient, InferInput, InferRequest
from kserve.inference_client import RESTConfig
from kserve.protocol.infer_type import RequestedOutput

OUTPUTS = ("prediction", "action", "decision_id")
DTYPES = {"FP32": np.float32, "FP64": np.float64, "INT64": np.int64, "BOOL": np.bool_, "BYTES": np.object_}


def filled(name: str, datatype: str, values: list[Any], binary: bool) -> InferInput:
    array: np.ndarray = np.array(values, DTYPES[datatype])
    found = InferInput(name, list(array.shape), datatype)
    found.set_data_from_numpy(array, binary_data=binary)
    return found


async def ask(base_url: str, model: str, asked: dict[str, Any]) -> dict[str, Any]:
    answers, shown = {}, asked["headers"]
    async with InferenceRESTClient(RESTConfig(protocol="v2", retries=0)) as client:
        for binary in (False, True):
            forms = {
                "one": [filled("all", "FP64", asked["one"], binary)],
                "each": [
                    filled(name, each["datatype"], each["values"], binary) for name, each in asked["each"].items()
                ],
            }
            wanted = [RequestedOutput(name, {"binary_data": binary}) for name in OUTPUTS]
            for form, inputs in forms.items():
                request = InferRequest(model, inputs, parameters={"subject": "kserve"}, request_outputs=wanted)
                reply = await client.infer(base_url, request, headers=dict(shown), model_name=model)
                answers[f"{form} {'binary' if binary else 'json'}"] = {
                    output.name: [
                        each.decode() if isinstance(each, bytes) else each for each in output.as_numpy().tolist()
                    ]
                    for output in reply.outputs
                }
        return {
            "live": await client.is_server_live(base_url),
            "ready": await client.is_server_ready(base_url),
            "model ready": await client.is_model_ready(base_url, model, headers=shown),
            "other model ready": await client.is_model_ready(base_url, "nobody", headers=shown),
            "answers": answers,
        }


json.dump(asyncio.run(ask(sys.argv[1], sys.argv[2], json.load(sys.stdin))), sys.stdout)
