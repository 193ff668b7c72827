"""KServe's Python server, protocols v1 and v2: python serve.py PORT MODEL.onnx

One `Model` whose `predict` runs ONNX Runtime, as KServe's guide to custom models has it; one worker, the default.
Its logs of every request and its gRPC port, on by default, are off, which makes it faster.
"""

import logging
import sys
from typing import Any

import numpy as np
import onnxruntime
from kserve import InferOutput, InferRequest, InferResponse, Model, ModelServer


class Bench(Model):
    """Probabilities of rows, in the protocol that the question came in."""

    def __init__(self, path: str) -> None:
        super().__init__("bench")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.output = [self.session.get_outputs()[-1].name]
        self.ready = True

    def predict(self, payload: Any, headers: Any = None, response_headers: Any = None) -> Any:  # noqa: ARG002  as KServe calls it
        """v1 `instances` and v2 tensors."""
        if isinstance(payload, InferRequest):
            found = self._run(payload.inputs[0].as_numpy().astype(np.float32, copy=False))
            output = InferOutput("prediction", [len(found)], "FP32", found.tolist())
            return InferResponse(payload.id or "", self.name, [output])
        return {"predictions": self._run(np.asarray(payload["instances"], np.float32)).tolist()}

    def _run(self, rows: np.ndarray) -> np.ndarray:
        return self.session.run(self.output, {"rows": rows})[0][:, 1]


if __name__ == "__main__":
    port, path = int(sys.argv[1]), sys.argv[2]
    quiet = [logging.getLogger(name) for name in ("uvicorn.access", "kserve.trace")]
    for logger in quiet:
        logger.disabled = True
    ModelServer(http_port=port, enable_grpc=False, workers=1, enable_latency_logging=False).start([Bench(path)])
