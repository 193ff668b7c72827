"""Commands that declare applications at once, or are killed while they do: whatever was deployed serves."""

import subprocess
import sys
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import httpx

from tests.e2e.conftest import DASHBOARD_PORT, Place, wait_for
from tests.e2e.untrained import is_ready, register
from tests.worlds.bundles import SPEC, make_bundle
from windvane.cluster.host.secret_files import bearer
from windvane.configs.load import load_settings
from windvane.configs.schema import ModelSpec

NAMES = ("at-once-a", "at-once-b", "at-once-c")


def declare(place: Place, name: str, folder: Path) -> ModelSpec:
    """A model file and a champion, not deployed."""
    small = {"num_cpus": 0.05, "min_replicas": 1, "max_replicas": 1}
    serving = SPEC.serving.model_copy(update=small)
    spec = SPEC.model_copy(update={"name": name, "serving": serving})
    (place.models / f"{name}.yaml").write_text(spec.model_dump_json(exclude_unset=True))
    register(place, spec, make_bundle(folder, 1, spec))
    return spec


def begin(place: Place, *arguments: str) -> subprocess.Popen[str]:
    """The command line, not waited for."""
    command = [str(Path(sys.executable).parent / "windvane"), *arguments]
    pipe, both = subprocess.PIPE, subprocess.STDOUT
    return subprocess.Popen(command, env=place.environment, stdout=pipe, stderr=both, text=True)


def applications(place: Place) -> set[str]:
    """Applications that Serve has been told of and not to end."""
    token = load_settings(place.environment).ray_token_file
    url = f"http://127.0.0.1:{DASHBOARD_PORT}/api/serve/applications/"
    found = httpx.get(url, headers=bearer(token), timeout=30.0, trust_env=False).json()["applications"]
    return {name for name, each in found.items() if each.get("deployed_app_config")}


def test_models_that_are_deployed_at_once_all_serve_and_a_killed_deploy_is_in_nobody_s_way(
    place: Place, tmp_path: Path
) -> None:
    for name in NAMES:
        (tmp_path / name).mkdir()
        declare(place, name, tmp_path / name)
    before = applications(place)
    with ExitStack() as ended:
        ended.callback(lambda: [place.windvane("undeploy", name, check=False) for name in NAMES])
        first, second, killed = (begin(place, "deploy", name) for name in NAMES)
        wait_for("the third to be declared", lambda: NAMES[2] in applications(place))
        killed.kill()
        killed.communicate()
        for deploying in (first, second):
            printed, _ = deploying.communicate(timeout=300.0)
            assert deploying.returncode == 0, printed
        assert applications(place) == before | set(NAMES)
        for name in NAMES:
            wait_for(name, partial(is_ready, place, name))
        leaving = [begin(place, "undeploy", name) for name in NAMES[:2]]
        for undeploying in leaving:
            printed, _ = undeploying.communicate(timeout=120.0)
            assert undeploying.returncode == 0, printed
        assert applications(place) == before | {NAMES[2]}
        place.windvane("undeploy", NAMES[2])
        assert applications(place) == before
