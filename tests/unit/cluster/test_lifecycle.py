"""Settings and records alone decide what is up after `up` and ended by `down`."""

import os
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx
import pytest

from tests.worlds.machines import FINE
from windvane.cluster import lifecycle
from windvane.cluster.errors import Unavailable
from windvane.cluster.host import machine
from windvane.cluster.host.machine import Machine
from windvane.cluster.host.run_folder import remove_link, shortest
from windvane.cluster.host.scratch import scratch, scratch_root
from windvane.cluster.lifecycle import Progress, down, up
from windvane.cluster.runtime import haproxy, haproxy_program, ray_head, ray_source
from windvane.cluster.runtime.head_record import Head
from windvane.cluster.runtime.ray_source import USES, Use
from windvane.cluster.runtime.serve_apps_api import CONTROL
from windvane.configs.load import load_settings
from windvane.configs.schema import Settings


def settings_of(home: Path, **variables: str) -> Settings:
    return load_settings({"WINDVANE_HOME": str(home), **variables})


def test_down_without_anything_running_says_so(tmp_path: Path) -> None:
    assert down(settings_of(tmp_path), lambda _: None) == "Nothing was running."


def test_waiting_in_vain_names_the_logs_of_this_home(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=f"Waited -1 s for godot; look at the logs under {tmp_path}/run/ray"):
        lifecycle.wait(lambda: False, "godot", settings_of(tmp_path), lambda _: None, -1.0)


def test_waiting_ends_as_soon_as_it_is_ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifecycle, "POLL_SECONDS", 0.0)
    answers, said = iter((False, False, True)), list[str]()
    lifecycle.wait(lambda: next(answers), "control", settings_of(tmp_path), said.append)
    assert said == ["waiting for control"] * 2


@dataclass
class Heads:
    """Stands for Ray and its Serve: which heads were started and ended, and what goes wrong once one runs."""

    trouble: BaseException | None = None
    machine: Machine = FINE
    acts: list[str] = field(default_factory=list)

    def start(self, settings: Settings) -> Head:
        self.acts.append("started")
        (Path(settings.home) / "run").mkdir(exist_ok=True)
        return Head("127.0.0.1:6379", "http://127.0.0.1:8265", str(Path(settings.home) / "run"), ())

    def end(self, home: Path, head: Head) -> int:
        self.acts.append("ended")
        return 1

    def applications(self, dashboard: str, settings: Settings) -> "Heads":
        return self

    def answers(self) -> bool:
        return True

    def close(self) -> None:
        """Nothing is open."""

    def deploy_control(self) -> None:
        if self.trouble is not None:
            raise self.trouble

    def wait_running(self, name: str, seconds: float, progress: Progress) -> None:
        assert (name, self.acts[-1]) == (CONTROL, "started")

    def health(self, address: str, **_: object) -> httpx.Response:
        return httpx.Response(200 if address.endswith("/api/health") else 404)


@pytest.fixture
def heads(monkeypatch: pytest.MonkeyPatch) -> Heads:
    found = Heads()
    monkeypatch.setattr(ray_head, "start", found.start)
    monkeypatch.setattr(ray_head, "end", found.end)
    monkeypatch.setattr(machine, "look", lambda _: found.machine)
    monkeypatch.setattr(lifecycle, "ServeApplications", found.applications)
    monkeypatch.setattr(httpx, "get", found.health)
    return found


def test_what_stands_in_the_way_is_said_before_anything_is_made_or_started(tmp_path: Path, heads: Heads) -> None:
    heads.machine = replace(FINE, listeners={8404: "nginx (process 7)"})
    with pytest.raises(Unavailable, match=r"Port 8404 .* is in use by nginx"):
        up(settings_of(tmp_path / "home"), lambda _: None)
    assert heads.acts == []
    assert list(tmp_path.iterdir()) == []


def test_an_issuer_that_cannot_be_read_is_told_before_anything_is_made_or_started(tmp_path: Path, heads: Heads) -> None:
    """`up` said that the deployment Control could not be updated, and left Ray running."""
    issuer = tmp_path / "issuer.yaml"
    issuer.write_text("issuer: https://login.example.org/\naudience: windvane\nkeys: http://login.example.org/keys\n")
    with pytest.raises(Unavailable) as told:
        up(settings_of(tmp_path / "home", WINDVANE_TOKEN_ISSUER=str(issuer)), lambda _: None)
    assert f"{issuer}:3: keys: " in str(told.value)
    assert f"{issuer}:1: roles: is required and missing" in str(told.value)
    assert heads.acts == []
    assert list(tmp_path.iterdir()) == [issuer]


def test_a_ray_that_lacks_what_is_used_of_it_is_not_started(
    tmp_path: Path, heads: Heads, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = Use("serve/_private/constants.py", 1, "RAY_SERVE_GONE", "ports would clash")
    monkeypatch.setattr(ray_source, "USES", (*USES, gone))
    with pytest.raises(Unavailable, match=r"has no 'RAY_SERVE_GONE' in ray/serve/.*see docs/upgrading-ray"):
        up(settings_of(tmp_path / "home"), lambda _: None)
    assert heads.acts == []
    assert list(tmp_path.iterdir()) == []


def test_up_takes_an_old_home_from_other_users_and_makes_a_new_one_for_nobody_else(
    tmp_path: Path, heads: Heads
) -> None:
    before = os.umask(0o022)
    try:
        old, said = tmp_path / "old", list[str]()
        (old / "mlflow").mkdir(parents=True)
        (old / "mlflow" / "run").touch()
        for home in (old, tmp_path / "new"):
            up(settings_of(home), said.append)
    finally:
        os.umask(before)
    assert [line for line in said if "other users" in line] == [
        f"took from other users of this machine 3 files and folders of {old}"
    ]
    for home in (old, tmp_path / "new"):
        open_to_others = [path for path in (home, *home.rglob("*")) if path.lstat().st_mode & 0o077]
        assert [path for path in open_to_others if not path.is_symlink()] == []
        assert (home / "windvane.db").is_file()


def test_up_says_at_once_why_haproxy_was_not_started(tmp_path: Path) -> None:
    """It waited for three minutes, and then named the logs."""
    run = shortest(tmp_path)
    assert run is not None
    refusal = haproxy.config_path(tmp_path / "run").parent / haproxy_program.REFUSAL
    refusal.parent.mkdir(parents=True)
    refusal.write_text("HAProxy is not started: its configuration has a section 'listen admin'")
    if run != tmp_path / "run":
        run.symlink_to(tmp_path / "run")
    try:
        with pytest.raises(Unavailable, match="has a section 'listen admin'"):
            lifecycle.is_served(settings_of(tmp_path))
        assert not lifecycle.is_served(settings_of(tmp_path, WINDVANE_PORT="9", RAY_ADDRESS="10.0.0.7:6379"))
    finally:
        remove_link(tmp_path)


@pytest.mark.parametrize("trouble", [Unavailable("control does not answer"), KeyboardInterrupt()])
def test_what_was_started_in_vain_is_ended_again(tmp_path: Path, heads: Heads, trouble: BaseException) -> None:
    heads.trouble = trouble
    with pytest.raises(type(trouble)):
        up(settings_of(tmp_path / "home"), lambda _: None)
    assert heads.acts == ["started", "ended"]


def test_what_starts_well_goes_on(tmp_path: Path, heads: Heads) -> None:
    assert up(settings_of(tmp_path / "home"), lambda _: None).started_ray
    assert heads.acts == ["started"]
    assert (tmp_path / "home" / "admin.key").exists()
    assert (tmp_path / "home" / ".gitignore").read_text() == "*\n", "or git would take keys along"
    assert (tmp_path / "home" / ".rayignore").read_text() == "*\n", "or `ray job submit --working-dir .` would"


def test_down_makes_nothing_where_nothing_ever_was(tmp_path: Path) -> None:
    assert down(settings_of(tmp_path / "home"), lambda _: None) == "Nothing was running."
    assert list(tmp_path.iterdir()) == []


def test_a_dashboard_that_never_answers_has_the_last_word(tmp_path: Path) -> None:
    logs = tmp_path / "run" / "ray" / "session_latest" / "logs"
    logs.mkdir(parents=True)
    (logs / "dashboard.log").write_text("Traceback\nOSError: AF_UNIX path too long\n\n")
    with pytest.raises(Unavailable, match=r"the dashboard's ends with: OSError: AF_UNIX path too long\.$"):
        lifecycle.wait(lambda: False, "the Ray dashboard", settings_of(tmp_path), lambda _: None, -1.0)


def test_up_and_down_remove_what_killed_trainings_left_and_nothing_of_a_living_one(
    tmp_path: Path, heads: Heads
) -> None:
    def killed(name: str) -> None:
        (root / name).mkdir(parents=True)
        (root / name / "rows.parquet").write_bytes(b"rows")
        (root / f"{name}.lock").touch()

    root, said = scratch_root(tmp_path), list[str]()
    killed("loans-1")
    with scratch(root, "living") as folder:
        killed("loans-2")
        up(settings_of(tmp_path), said.append)
        assert "removed what killed trainings left in scratch: loans-2" in said
        killed("loans-3")
        assert down(settings_of(tmp_path), said.append) == "Nothing was running."
        assert said[-1] == "removed what killed trainings left in scratch: loans-3"
        assert sorted(path.name for path in root.iterdir()) == [folder.name, f"{folder.name}.lock"]
