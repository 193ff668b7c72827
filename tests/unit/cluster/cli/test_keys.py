"""`windvane keys`: the key alone on standard output, everything else a person can read."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner, Result

from tests.worlds.admin.world import ControlClient
from tests.worlds.callers.keys import SECRET
from windvane.backtest.memory import MemoryStore
from windvane.cluster.callers.authenticator import Authenticator
from windvane.cluster.callers.key_book import KeyBook
from windvane.cluster.callers.key_ring import KeySnapshot
from windvane.cluster.cli import main, operate
from windvane.cluster.control_api import ControlApi
from windvane.cluster.errors import Unavailable
from windvane.cluster.runtime import addresses
from windvane.serve_apps.admin.key_admin import KeyAdmin


class Shell:
    """Runs `windvane keys …` over a book in memory."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.book = KeyBook(MemoryStore())
        self.away = False
        keys = KeyAdmin(self.book, self._publish, Authenticator())
        self.app = ControlClient(headers={}, keys=keys)
        (home / "admin.key").write_text(SECRET)

    def __call__(self, *arguments: str) -> Result:
        environment = {"WINDVANE_HOME": str(self.home), "RAY_ADDRESS": "", "COLUMNS": "200"}
        return CliRunner().invoke(main, ("keys", *arguments), env=environment)

    def answer(self, request: httpx.Request) -> httpx.Response:
        path = request.url.raw_path.decode()
        reply = self.app.request(request.method, path, content=request.content, headers=request.headers)
        return httpx.Response(reply.status_code, headers=reply.headers, content=reply.content)

    def _publish(self, _: KeySnapshot) -> bool:
        if self.away:
            raise Unavailable("the Switchboard does not answer")
        return True


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    made = Shell(tmp_path)

    def control(url: str, key_file: Path) -> ControlApi:
        return ControlApi(url, key_file, httpx.MockTransport(made.answer))

    monkeypatch.setattr(addresses, "demand_dashboard", lambda _: "http://127.0.0.1:8265")
    monkeypatch.setattr(operate, "ControlApi", control)
    return made


def listed(shell: Shell, *options: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(shell("list", "--json", *options).stdout)
    return found


def test_a_key_made_goes_to_standard_output_alone_so_that_it_can_go_on_to_a_file(shell: Shell) -> None:
    result = shell("create", "night-batch", "--model", "churn", "--per-second", "5")
    assert result.exit_code == 0, result.output
    assert re.fullmatch(r"wv_[\w-]{43}\n", result.stdout)
    (key,) = shell.book.all()
    assert f"`windvane keys revoke {key.key_id}` ends it" in result.stderr
    assert result.stdout.strip() not in result.stderr
    assert (key.name, key.roles, key.models, key.made_by) == ("night-batch", ("client",), ("churn",), "boss")
    assert key.limit is not None
    assert (key.limit.per_second, key.limit.burst) == (5.0, 5)
    assert key.expires_at is not None
    assert 89 <= (key.expires_at - datetime.now(UTC)).days <= 90


def test_a_key_may_have_several_roles_and_no_end(shell: Shell) -> None:
    assert shell("create", "ann", "--role", "owner", "--role", "compliance", "--expires", "never").exit_code == 0
    (key,) = shell.book.all()
    assert (key.roles, key.models, key.expires_at, key.limit) == (("owner", "compliance"), None, None, None)


def test_the_list_shows_good_keys_and_all_on_request(shell: Shell) -> None:
    assert "No key is good" in shell("list").stdout
    for name in ("ann", "bob"):
        shell("create", name)
    ann, _ = shell.book.all()
    assert shell("revoke", ann.key_id, "--reason", "left us").exit_code == 0
    shown = shell("list").stdout
    assert "bob" in shown
    assert "ann" not in shown
    assert "revoked: left us" in shell("list", "--all").stdout
    assert [key["name"] for key in listed(shell)] == ["bob"]
    assert [key["name"] for key in listed(shell, "--all")] == ["ann", "bob"]


def test_a_revocation_says_whose_key_it_was_and_whether_it_is_in_force(shell: Shell) -> None:
    shell("create", "ann")
    (key,) = shell.book.all()
    shell.away = True
    result = shell("revoke", key.key_id)
    assert result.stdout == f"Key {key.key_id} of ann opens nothing any more.\n"
    assert "Not every replica is known to go by it yet" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("create", "no blanks"), "/name: must be 1 to 64 letters"),
        (("create", "ann", "--model", "../x"), "/models/0"),
        (("create", "ann", "--expires", "tomorrow"), "or never"),
        (("create", "ann", "--expires", "90"), "write 90s, 5m, 12h, 28d or 4w"),
        (("revoke", "nope"), "There is no key 'nope'"),
        (("revoke", "../models"), "There is nothing at"),
    ],
)
def test_every_trouble_is_a_sentence(shell: Shell, arguments: tuple[str, ...], sentence: str) -> None:
    result = shell(*arguments)
    assert (result.exit_code, sentence in result.stderr) == (1, True), result.output
    assert "Traceback" not in result.output
    assert shell.book.all() == ()


@pytest.mark.parametrize("arguments", [("create", "ann", "--role", "root"), ("create", "ann", "--burst", "3")])
def test_an_option_that_makes_no_sense_is_told_before_anything_is_asked(
    shell: Shell, arguments: tuple[str, ...]
) -> None:
    assert shell(*arguments).exit_code == 2
    assert shell.book.all() == ()
