"""A bare prediction: raw ASGI, msgspec, ONNX Runtime, and nothing else; what every Python server stands on.

    python -m benchmarks.apps.bare PORT MODEL.onnx

serves it with uvicorn, which is the floor of the bench.
"""

import sys
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnxruntime

from windvane.cluster.bundle import ONNX_INPUT

HEADERS = [(b"content-type", b"application/json")]


class Asked(msgspec.Struct):
    """`{"instances": [[…], …]}`."""

    instances: list[list[float]]


class Bare:
    """Answers every POST with the probabilities of its rows."""

    def __init__(self, path: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self._output = [self._session.get_outputs()[-1].name]
        self._decoder = msgspec.json.Decoder(Asked)

    def predict(self, instances: list[list[float]]) -> list[float]:
        """Probabilities of rows of 24."""
        found = self._session.run(self._output, {ONNX_INPUT: np.array(instances, np.float32)})[0]
        predictions: list[float] = found[:, 1].tolist()
        return predictions

    async def __call__(
        self,
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
        send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
    ) -> None:
        """ASGI."""
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        body, more = b"", scope["method"] == "POST"
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        answer = {"predictions": self.predict(self._decoder.decode(body).instances)} if body else {"ready": True}
        reply = msgspec.json.encode(answer)
        headers = [*HEADERS, (b"content-length", b"%d" % len(reply))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": reply})


if __name__ == "__main__":
    import uvicorn

    uvicorn.run(Bare(Path(sys.argv[2])), host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", access_log=False)
