"""`mlflow models serve`: python serve.py PORT MODEL.onnx

The ONNX flavour, saved with its signature and served in this environment; one worker, the default.
The access log is off.
"""

import os
import sys
import tempfile
from pathlib import Path

import mlflow
import numpy as np
import onnx
from mlflow.models import ModelSignature
from mlflow.types import Schema, TensorSpec

if __name__ == "__main__":
    port, path = sys.argv[1], sys.argv[2]
    folder = Path(tempfile.mkdtemp()) / "model"
    signature = ModelSignature(inputs=Schema([TensorSpec(np.dtype(np.float32), (-1, 24), "rows")]))
    options = {"intra_op_num_threads": 1}
    mlflow.onnx.save_model(onnx.load(path), str(folder), signature=signature, onnx_session_options=options)
    os.environ["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    os.environ["UVICORN_ACCESS_LOG"] = "false"
    command = str(Path(sys.executable).parent / "mlflow")
    serve = ["models", "serve", "-m", str(folder), "--host", "127.0.0.1", "--port", port, "--env-manager", "local"]
    os.execv(command, [command, *serve])  # noqa: S606  becomes the server
