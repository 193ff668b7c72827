"""MLServer: python serve.py PORT MODEL.onnx

A custom runtime (`MLModel.predict`) as MLServer's guide has it. `parallel_workers: 0` answers in the server's own
process; the default of one worker sends every request to another process, which is slower for a small model.
"""

import json
import os
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnxruntime
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse


class Bench(MLModel):
    """Probabilities of rows."""

    async def load(self) -> bool:
        """Open the model."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        path = self.settings.parameters.uri
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.output = [self.session.get_outputs()[-1].name]
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """One v2 request."""
        rows = NumpyCodec.decode_input(payload.inputs[0]).astype(np.float32, copy=False)
        found = self.session.run(self.output, {"rows": rows})[0][:, 1]
        output = NumpyCodec.encode_output("prediction", found)
        return InferenceResponse(model_name=self.name, model_version=self.version, outputs=[output])


if __name__ == "__main__":
    port, path = int(sys.argv[1]), sys.argv[2]
    folder = Path(tempfile.mkdtemp())
    server = {
        "host": "127.0.0.1",
        "http_port": port,
        "grpc_port": port + 1,
        "metrics_port": port + 2,
        "parallel_workers": 0,
        "debug": False,
    }
    model = {"name": "bench", "implementation": "serve.Bench", "parameters": {"uri": path}}
    (folder / "settings.json").write_text(json.dumps(server))
    (folder / "model-settings.json").write_text(json.dumps(model))
    os.environ["PYTHONPATH"] = str(Path(__file__).parent)
    command = str(Path(sys.executable).parent / "mlserver")
    os.execv(command, [command, "start", str(folder)])  # noqa: S606  becomes the server
