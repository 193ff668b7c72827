"""Files that the installed Ray itself writes for HAProxy, rendered by its own code and kept for each version of Ray.

    python -m tests.worlds.rays_haproxy [FOLDER]

writes the files, into `tests/golden/ray-VERSION` where no folder is named; docs/upgrading-ray.md says when. It takes a
process of its own, since Ray reads the variables of a head of ours while it is imported.
"""

import importlib.metadata
import os
import sys
import tempfile
from pathlib import Path

from windvane.cluster.runtime import haproxy
from windvane.cluster.runtime.grpc_frontend import SERVICER
from windvane.cluster.runtime.grpc_health import ADD_SERVICER
from windvane.cluster.runtime.serve_apps_api import CONTROL

GOLDEN = Path(__file__).resolve().parent.parent / "golden"
STARTED, CONTROL_RUNS, DEPLOYED = "started", "control", "deployed"
APPLICATIONS = {STARTED: (), CONTROL_RUNS: (CONTROL,), DEPLOYED: (CONTROL, "trips")}
RUN = Path("/srv/wv/run")  # stands in the files for the run folder of a head


def golden(state: str) -> str:
    """Text that the installed Ray is known to write in this state."""
    kept = _folder() / f"{state}.cfg"
    assert kept.is_file(), f"{kept} is not there yet: docs/upgrading-ray.md says how it is written"
    return kept.read_text()


def lay(state: str, place: Path) -> None:
    """Write the configuration so that HAProxy can check it: it reads the page that Ray answers errors with."""
    errors = place.parent / "500.http"
    errors.write_text("HTTP/1.1 500 Internal Server Error\r\n\r\n")
    place.write_text(golden(state).replace(f"{RUN}/h/node/{errors.name}", f"'{errors}'"))


def write(folder: Path) -> None:
    """Render every state with the installed Ray, as on a head of ours."""
    with tempfile.TemporaryDirectory() as run:
        _write(Path(run), folder)


def _write(run: Path, folder: Path) -> None:
    os.environ.update(haproxy.environment(run, 8000))
    from ray.serve._private import haproxy as rays
    from ray.serve._private.common import RequestProtocol
    from ray.serve.config import HTTPOptions, gRPCOptions

    def backend(application: str, protocol: RequestProtocol, port: int) -> rays.BackendConfig:
        fallback = 8500 if protocol == RequestProtocol.HTTP else 9500
        return rays.BackendConfig(
            name=f"{protocol.value.lower()}-{application}",
            path_prefix="/" if application == CONTROL else f"/v2/models/{application}",
            servers=[rays.ServerConfig(f"SERVE_REPLICA-{application}", "127.0.0.1", port)],
            app_name=application,
            ingress_deployment_name="Control" if application == CONTROL else "Gateway",
            fallback_server=rays.ServerConfig("SERVE_PROXY_ACTOR-node", "127.0.0.1", fallback),
            protocol=protocol,
        )

    folder.mkdir(parents=True, exist_ok=True)
    place = run / "h" / "node" / "haproxy.cfg"
    for state, applications in APPLICATIONS.items():
        config = rays.HAProxyConfig(
            http_options=HTTPOptions(host="0.0.0.0", port=8000),
            grpc_options=gRPCOptions(port=9202, grpc_servicer_functions=[SERVICER, ADD_SERVICER]),
            is_head=True,
        )
        api = rays.HAProxyApi(config, config_file_path=str(place))
        if applications:
            found = [
                backend(application, protocol, first + number)
                for number, application in enumerate(applications)
                for protocol, first in ((RequestProtocol.HTTP, 30000), (RequestProtocol.GRPC, 40000))
            ]
            api.set_backend_configs({each.name: each for each in found})
            api.set_grpc_fallback_server(rays.ServerConfig("SERVE_PROXY_ACTOR-node", "127.0.0.1", 9500))
        api._generate_config_file_internal()  # noqa: SLF001  Ray has no other way to write it without a HAProxy
        (folder / f"{state}.cfg").write_text(place.read_text().replace(str(run), str(RUN)))


def _folder() -> Path:
    return GOLDEN / f"ray-{importlib.metadata.version('ray')}"


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else _folder())
