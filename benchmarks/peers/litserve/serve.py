"""LitServe: python serve.py PORT MODEL.onnx

Batching is on and its queue is the fast one, as its documentation recommends for throughput; one worker, the default.
A wait of 1 ms to fill a batch: 10 ms answered no more requests at 64 connections, and one at a time seven times fewer.
"""

import os
import sys

import litserve
import numpy as np
import onnxruntime


class Bench(litserve.LitAPI):
    """Probabilities of rows."""

    def setup(self, _device: str) -> None:
        """Open the model in the worker."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        path = os.environ["BENCH_MODEL"]
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.output = [self.session.get_outputs()[-1].name]

    def decode_request(self, request: dict[str, list[float]]) -> np.ndarray:
        """One row a request."""
        return np.asarray(request["input"], np.float32)

    def batch(self, inputs: list[np.ndarray]) -> np.ndarray:
        """float32[n, 24]."""
        return np.stack(inputs)

    def predict(self, rows: np.ndarray) -> np.ndarray:
        """float[n]."""
        return self.session.run(self.output, {"rows": rows})[0][:, 1]

    def unbatch(self, output: np.ndarray) -> list[float]:
        """One answer a request."""
        return list(output)

    def encode_response(self, output: float) -> dict[str, float]:
        """Encodes the reply."""
        return {"output": float(output)}


if __name__ == "__main__":
    port, path = int(sys.argv[1]), sys.argv[2]
    os.environ["BENCH_MODEL"] = path
    api = Bench(max_batch_size=64, batch_timeout=0.001)
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=1, fast_queue=True, timeout=30)
    quiet = {"log_level": "warning", "access_log": False, "generate_client_file": False}
    server.run(host="127.0.0.1", port=port, num_api_servers=1, **quiet)
