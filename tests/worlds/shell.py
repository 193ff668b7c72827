"""The command line with a control API that answers as a test wants."""

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner, Result

from tests.worlds.admin.world import AdminWorld, ControlClient
from tests.worlds.callers.keys import SECRET
from tests.worlds.rollout.world import MODEL
from windvane.cluster.cli import main, operate
from windvane.cluster.control_api import ControlApi
from windvane.cluster.runtime import addresses

DECLARATION = f"""\
name: {MODEL}
owner: ops@example.org
unit: flight
target: {{name: late}}
features:
  - {{name: distance, type: number}}
data: {{source: flights.csv}}
decision: {{actions: [{{name: tell, at_least: 0.0}}]}}
"""


class Shell:
    """Runs `windvane …` in a home of its own, over a control in memory where one is up."""

    def __init__(self, folder: Path) -> None:
        self.world = AdminWorld()
        self.home = folder / "home"
        self.models = folder / "models"
        self.models.mkdir()
        (self.models / f"{MODEL}.yaml").write_text(DECLARATION)
        self.home.mkdir()
        (self.home / "admin.key").write_text(SECRET)
        self.app = ControlClient(self.world, {})
        self.endpoint: Callable[[httpx.Request], httpx.Response] = lambda _: httpx.Response(200, json={"ready": True})

    def __call__(self, *arguments: str, stdin: str | None = None, **variables: str) -> Result:
        environment = {
            "WINDVANE_HOME": str(self.home),
            "WINDVANE_MODELS": str(self.models),
            "RAY_ADDRESS": "",
            "WINDVANE_OVERLAY": "",
            "COLUMNS": "160",
            **variables,
        }
        return CliRunner().invoke(main, arguments, input=stdin, env=environment)

    def answer(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.startswith("/v2/"):
            return self.endpoint(request)
        path = request.url.raw_path.decode()
        reply = self.app.request(request.method, path, content=request.content, headers=request.headers)
        return httpx.Response(reply.status_code, headers=reply.headers, content=reply.content)

    def says(self, *arguments: str, stdin: str | None = None) -> str:
        result = self(*arguments, stdin=stdin)
        assert result.exit_code == 0, result.output
        return result.stdout


@pytest.fixture
def down(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


@pytest.fixture
def up(down: Shell, monkeypatch: pytest.MonkeyPatch) -> Shell:
    def control(url: str, key_file: Path) -> ControlApi:
        return ControlApi(url, key_file, httpx.MockTransport(down.answer))

    monkeypatch.setattr(addresses, "demand_dashboard", lambda _: "http://127.0.0.1:8265")
    monkeypatch.setattr(operate, "ControlApi", control)
    return down


def sentence_of(result: Result) -> str:
    """Error sentence, with nothing of Python in it."""
    assert result.exit_code == 1, result.output
    assert isinstance(result.exception, SystemExit)
    assert "Traceback" not in result.output
    assert result.stderr.startswith("Error: ")
    return result.stderr
