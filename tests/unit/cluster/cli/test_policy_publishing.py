"""`windvane policy publish`, `approve`, `withdraw`, `status`, `install`, `explain`; control is in this process."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from shutil import copytree

import httpx
import msgspec
import pytest
from click.testing import CliRunner, Result

from tests.worlds.admin.world import AdminWorld, ControlClient, governance
from tests.worlds.bundles import SPEC
from tests.worlds.callers.keys import SECRET
from tests.worlds.gateway.world import FEATURES
from tests.worlds.log.decision_log import written
from tests.worlds.policies import FOLDER, PACKAGED, rule
from windvane.cluster.cli import main, operate
from windvane.cluster.control_api import ControlApi
from windvane.cluster.decision_log.record import Decision
from windvane.cluster.policies.cedar_rules import compile_policies
from windvane.cluster.policies.mandate import keep_mandate, mandate_of
from windvane.cluster.policies.policy_library import PolicyLibrary
from windvane.cluster.policies.policy_set import read_policies
from windvane.cluster.runtime import addresses
from windvane.cluster.sql_store import SqlStore
from windvane.configs.schema import Purpose

DECISION = "01890a5d-ac96-774b-bcce-b302099a8057"
GOVERNED = SPEC.model_copy(update={"purposes": (Purpose(name="planning", consent=False),)})
MORE = rule('forbid (principal in Role::"client", action == Action::"train", resource)', "more")


class Shell:
    """The command line over one home; control is in this process."""

    def __init__(self, root: Path) -> None:
        self.home, self.models = root / "home", root / "models"
        for folder in (self.home, self.models):
            folder.mkdir()
        (self.home / "admin.key").write_text(SECRET)
        (self.models / "trips.yaml").write_text(GOVERNED.model_dump_json(exclude_unset=True))
        self.store = SqlStore(f"sqlite:///{self.home}/windvane.db")
        self.library = PolicyLibrary(self.store, compile_policies)
        self._app = ControlClient(AdminWorld(), {}, governed=governance(self.store))

    def __call__(self, *arguments: str) -> Result:
        environment = {"WINDVANE_HOME": str(self.home), "WINDVANE_MODELS": str(self.models), "RAY_ADDRESS": ""}
        return CliRunner().invoke(main, ["policy", *arguments], env=environment)

    def answer(self, request: httpx.Request) -> httpx.Response:
        path = request.url.raw_path.decode()
        reply = self._app.request(request.method, path, content=request.content, headers=request.headers)
        return httpx.Response(reply.status_code, headers=reply.headers, content=reply.content)

    def log(self, decision: Decision) -> None:
        written(self.home / "log" / "trips", decision)


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    made = Shell(tmp_path)
    monkeypatch.setattr(addresses, "demand_dashboard", lambda _: "http://127.0.0.1:8265")
    monkeypatch.setattr(
        operate, "ControlApi", lambda url, home: ControlApi(url, home, httpx.MockTransport(made.answer))
    )
    yield made
    made.store.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = copytree(FOLDER, tmp_path / "stricter")
    (found / "more.cedar").write_text(MORE)
    return found


def test_a_set_is_asked_for_and_withdrawn_and_both_are_told(shell: Shell, folder: Path) -> None:
    asked = shell("publish", str(folder), "--reason", "freeze")
    assert asked.exit_code == 0, asked.output
    proposal = shell.library.register().proposal
    assert proposal is not None
    version = proposal.version
    assert f"`windvane policy approve {version[:12]}`" in asked.stdout
    assert f"{version[:12]}" in shell("status").stdout
    mine = shell("approve", version)
    assert (mine.exit_code, "let somebody else approve it" in mine.stderr) == (1, True)
    assert shell("withdraw", version, "--reason", "no").exit_code == 0
    assert shell.library.register().proposal is None


def test_a_set_whose_cases_do_not_hold_is_not_asked_for(shell: Shell, folder: Path) -> None:
    (folder / "more.cedar").write_text(rule("forbid (principal, action, resource)", "nothing"))
    refused = shell("publish", str(folder), "--reason", "freeze")
    assert refused.exit_code == 1
    assert "the cases do not hold" in refused.stderr
    assert "cases.yaml:" in refused.stderr
    assert shell.library.register().proposal is None


def test_a_set_is_approved_by_somebody_else(shell: Shell, folder: Path) -> None:

    shell.library.propose(read_policies(folder), "ann", "freeze", datetime.now(UTC), second_person=True)
    approved = shell("approve", read_policies(folder).version[:8])
    assert approved.exit_code == 0, approved.output
    assert "is in force" in approved.stdout
    assert "asked for by ann, approved by boss: freeze" in shell("status").stdout


def test_whoever_is_locked_out_installs_a_set_and_that_is_on_record(shell: Shell, folder: Path) -> None:
    installed = shell("install", str(folder), "--reason", "locked out")
    assert installed.exit_code == 0, installed.output
    assert "as number 2" in installed.stdout
    assert "asked for by whoever holds the store, approved by nobody: locked out" in shell("status").stdout


def decision(**changed: object) -> Decision:
    whole = Decision(
        *(DECISION, 10.0, 9.0, 1, "champion", 1, "N1", 7, tuple(FEATURES.values()), 0.25, "keep"),
        caller="shop",
        roles=("client",),
        purpose="planning",
        proposed="keep",
        policies=("clients-decide", "act"),
        policy_version=PACKAGED.version,
    )
    return msgspec.structs.replace(whole, **changed)


def test_a_decision_is_judged_again_by_its_own_set_and_by_a_folders(shell: Shell, tmp_path: Path) -> None:
    shell.log(decision(mandate=keep_mandate(shell.store, mandate_of(GOVERNED))))
    same = shell("explain", "trips", DECISION)
    assert same.exit_code == 0, same.output
    assert "clients-decide permits this" in same.stdout
    assert same.stdout.endswith("The outcome is the one on record.\n")
    frozen = copytree(FOLDER, tmp_path / "frozen")
    (frozen / "frozen.cedar").write_text(rule('forbid (principal, action == Action::"decide", resource)', "frozen"))
    otherwise = shell("explain", "trips", DECISION, "--policies", str(frozen))
    assert otherwise.exit_code == 0
    assert "deny by frozen" in otherwise.stdout
    assert otherwise.stdout.endswith("This policy set would have judged otherwise.\n")
    by_version = shell("explain", "trips", DECISION, "--version", PACKAGED.version[:8])
    assert by_version.stdout == same.stdout


def test_a_record_that_was_changed_is_found_by_judging_it_again(shell: Shell) -> None:
    mandate = keep_mandate(shell.store, mandate_of(GOVERNED))
    shell.log(decision(mandate=mandate, purpose="marketing"))
    found = shell("explain", "trips", DECISION)
    assert found.exit_code == 1
    assert "the record is not what was judged" in found.stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("trips", DECISION), "No decision"),
        (("trips", "' OR 1=1 --"), "is no decision id"),
        (("trips", DECISION, "--version", "0" * 64, "--policies", "."), "not both"),
    ],
)
def test_what_cannot_be_judged_again_is_told(shell: Shell, arguments: tuple[str, ...], told: str) -> None:
    found = shell("explain", *arguments)
    assert found.exit_code != 0
    assert told in found.output + found.stderr


def test_a_mandate_that_nobody_kept_is_told(shell: Shell) -> None:
    shell.log(decision(mandate="0" * 32))
    assert "is not in the store" in shell("explain", "trips", DECISION).stderr
