"""BentoML: python serve.py PORT MODEL.onnx

One worker, the default. Its adaptive batching (`batchable=True`) is what its documentation recommends for throughput.
The access log is off.
"""

import os
import sys
from pathlib import Path

import bentoml
import numpy as np
import onnxruntime


@bentoml.service(workers=1, logging={"access": {"enabled": False}})
class Bench:
    """Probabilities of rows."""

    def __init__(self) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        path = os.environ["BENCH_MODEL"]
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.output = [self.session.get_outputs()[-1].name]

    @bentoml.api(batchable=True, max_batch_size=64)
    def predict(self, rows: np.ndarray) -> np.ndarray:
        """float[n] of float[n, 24]."""
        return self.session.run(self.output, {"rows": rows.astype(np.float32)})[0][:, 1]


if __name__ == "__main__":
    port, path = sys.argv[1], sys.argv[2]
    os.environ["BENCH_MODEL"] = path
    os.environ["BENTOML_DO_NOT_TRACK"] = "True"
    os.chdir(Path(__file__).parent)
    command = str(Path(sys.executable).parent / "bentoml")
    os.execv(command, [command, "serve", "serve:Bench", "--host", "127.0.0.1", "--port", port])  # noqa: S606  becomes the server
