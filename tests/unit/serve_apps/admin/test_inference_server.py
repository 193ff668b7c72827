from datetime import UTC, datetime

from tests.worlds.admin.world import AdminWorld, Client, ControlClient, governance
from tests.worlds.rollout.world import MODEL, FakeSwitchboard, Report
from windvane.backtest.memory import MemoryStore
from windvane.cluster.errors import Unavailable
from windvane.cluster.policies.policy_library import PolicyLibrary
from windvane.cluster.policies.policy_set import PolicySet
from windvane.serve_apps.admin.inference_server import unready
from windvane.serve_apps.traffic.router import Arm, Split


def client_of(switchboard: FakeSwitchboard) -> Client:
    return ControlClient(AdminWorld(), {}, switchboard=switchboard)


def published() -> FakeSwitchboard:
    switchboard = FakeSwitchboard()
    switchboard.publish(Split(MODEL, 1, "salt", (Arm("champion", 1, 1.0),)))
    return switchboard


def test_the_server_says_who_it_is() -> None:
    api = client_of(published())
    for path in ("/v2", "/v2/"):
        found = api.get(path).json()
        assert (found["name"], found["extensions"]) == ("windvane", ["binary_tensor_data"])
        assert found["version"]


def test_probes_need_no_key() -> None:
    api = client_of(published())
    assert (api.get("/v2/health/live").status_code, api.get("/v2/health/live").json()) == (200, {"live": True})
    assert (api.get("/v2/health/ready").status_code, api.get("/v2/health/ready").json()) == (200, {"ready": True})


def test_the_server_is_ready_when_every_model_has_a_version_in_force() -> None:
    reply = client_of(FakeSwitchboard()).get("/v2/health/ready")
    assert (reply.status_code, reply.headers["retry-after"]) == (503, "1")
    assert reply.json() == {"error": "1 of the models have no version in force yet: `windvane status` names them"}
    world = AdminWorld()
    assert unready(world.declarations.all(), published()) == []
    assert unready((), FakeSwitchboard()) == []


def test_without_a_policy_set_in_force_the_server_is_not_ready() -> None:
    store = MemoryStore()
    api = ControlClient(AdminWorld(), {}, switchboard=published(), governed=governance(store))
    assert api.get("/v2/health/ready").status_code == 200
    unchecked = PolicyLibrary(store, lambda _: None)  # as a release that took what this one cannot
    unchecked.install(PolicySet({"all.cedar": "permit ("}), "ann", "oops", datetime.now(UTC))
    reply = api.get("/v2/health/ready")
    assert (reply.status_code, "No policy set is in force" in reply.json()["error"]) == (503, True)


def test_one_replica_that_answers_is_enough() -> None:
    switchboard = FakeSwitchboard()
    switchboard.slow.add("a")
    switchboard.publish(Split(MODEL, 1, "salt", (Arm("champion", 1, 1.0),)))
    assert unready(AdminWorld().declarations.all(), switchboard) == []


def test_a_switchboard_that_is_away_is_no_sign_of_readiness() -> None:
    class Away(FakeSwitchboard):
        def in_force(self, model: str) -> dict[str, Report]:
            raise Unavailable("the switchboard is restarting")

    reply = client_of(Away()).get("/v2/health/ready")
    assert (reply.status_code, reply.json()) == (503, {"error": "the switchboard is restarting"})


def test_a_probe_in_another_way_is_refused_in_the_protocols_words() -> None:
    reply = client_of(published()).post("/v2/health/live")
    assert (reply.status_code, reply.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
    assert list(reply.json()) == ["error"]
