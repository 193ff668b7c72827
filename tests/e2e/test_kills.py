"""kill -9 in the middle of a rollout: it ends right, and no acknowledged decision is missing from the log."""

from collections.abc import Iterator

import psutil
import pytest

from tests.e2e.conftest import Place, wait_for
from tests.e2e.traffic import DECLARATION, Traffic, declare
from tests.e2e.untrained import register
from tests.e2e.world import CHANGE, START, days, learnt, rows, stream
from tests.worlds.bundles import make_bundle
from windvane.cluster.decision_log.read.query import Query
from windvane.configs.load import load_model, load_settings, validate_file
from windvane.configs.schema import ModelSpec

MODEL = "churn-kill"
CANARY = "weight: 0.2, min_duration: "
SLOW_ENOUGH_TO_KILL = DECLARATION.replace("churn-loop", MODEL).replace(f"{CANARY}1s", f"{CANARY}3s")


@pytest.fixture(scope="module")
def deployed(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Two versions of the same world, as good as each other; the first answers."""
    seen = rows(4000, START, CHANGE - days(1), seed=11)
    declare(place, MODEL, SLOW_ENOUGH_TO_KILL, seen)
    assert validate_file(place.models / f"{MODEL}.yaml") == []
    spec = load_model(MODEL, load_settings(place.environment))
    folder = tmp_path_factory.mktemp(MODEL)
    register(place, spec, *(make_bundle(folder, seed, spec, learnt(seen, spec.features)) for seed in (1, 2)))
    place.windvane("deploy", MODEL)
    yield place
    place.leave(MODEL)


@pytest.mark.parametrize("victim", ["ServeReplica:churn-kill", "ServeReplica:control", "Switchboard"])
def test_a_kill_in_the_middle_of_a_rollout_loses_nothing(deployed: Place, victim: str) -> None:
    place = deployed
    champion = place.status(MODEL)["champion"]
    candidate = 3 - champion
    since = len(_ended(place, "promoted", "rolled_back"))
    with Traffic(place, MODEL, stream(200_000, START, CHANGE - days(1), seed=12)) as traffic:
        wait_for("traffic", lambda: traffic.acknowledged)
        reason = f"killing {victim}"
        place.windvane("rollout", "start", MODEL, "--version", str(candidate), "--reason", reason, "--override-gate")
        wait_for("a canary step", lambda: place.status(MODEL)["rollout"]["phase"] == "step", 60.0)
        wait_for("an answer by the candidate", lambda: any(v == candidate for _, v, _ in traffic.acknowledged[-500:]))
        victims = place.processes(victim)
        assert victims, f"no process is called {victim}"
        victims[0].kill()
        psutil.wait_procs(victims[:1], timeout=10.0)
        wait_for("the end", lambda: len(_ended(place, "promoted", "rolled_back")) > since, patience_seconds=180.0)
        seen = len(traffic.acknowledged)
        wait_for("answers after it", lambda: len(traffic.acknowledged) > seen + 100)
    last = _ended(place, "promoted", "rolled_back")[-1]
    assert (last["kind"], last["version"]) == ("promoted", candidate), last["detail"]
    assert place.status(MODEL)["champion"] == candidate
    assert place.status(MODEL)["split"]["arms"] == [{"name": "champion", "version": candidate, "weight": 1.0}]
    spec = ModelSpec.model_validate(place.http.get(f"/api/models/{MODEL}").json())
    logged = Query(place.home / "log" / MODEL, spec.features).sql("select decision_id, version from decisions")
    written = dict(zip(logged["decision_id"].to_pylist(), logged["version"].to_pylist(), strict=True))
    missing = [each for each, _, _ in traffic.acknowledged if each not in written]
    assert missing == []
    assert all(written[each] == version for each, version, _ in traffic.acknowledged)
    assert "nothing was changed" in place.windvane("audit", "verify")


def _ended(place: Place, *kinds: str) -> list[dict[str, object]]:
    """Ends of rollouts so far; nothing while control restarts."""
    try:
        return place.events(MODEL, *kinds)
    except (ValueError, KeyError, OSError):
        return []
