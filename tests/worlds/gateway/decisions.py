"""Questions to one replica's decider, and units by the arm that they fall to."""

from tests.worlds.gateway.world import World
from windvane.cluster.callers.caller import ANYBODY
from windvane.cluster.policies.policy import CallerFacts
from windvane.serve_apps.protocol.question import Answer, Question
from windvane.serve_apps.traffic.router import bucket

ROW = (3.5, 1200.0, 1, True, "JFK")
OWNER = CallerFacts("jo", frozenset({"owner"}))
CANDIDATE_UNITS = [f"u{place}" for place in range(200) if bucket("salt", f"u{place}") < 1 << 31]
CHAMPION_UNITS = [f"u{place}" for place in range(200) if bucket("salt", f"u{place}") >= 1 << 31]


def ask(world: World, *questions: Question, override: int | None = None) -> list[Answer]:
    caller = ANYBODY if override is None else OWNER
    answers = world.run(world.decider.decide(questions, 0.0, override, caller=caller))
    world.quiet()
    return answers
