"""A model with declared purposes, and questions to it."""

from typing import Any

from tests.worlds.bundles import SPEC
from tests.worlds.gateway.world import FEATURES, World
from windvane.cluster.callers.caller import ANYBODY
from windvane.configs.schema import Action, DecisionRule, Purpose
from windvane.serve_apps.protocol.question import Question

PLANNING, RESEARCH = Purpose(name="planning", consent=False), Purpose(name="research")
ACTIONS = (Action(name="keep", at_least=0.0), Action(name="warn", at_least=0.5))
GOVERNED = SPEC.model_copy(update={"purposes": (PLANNING, RESEARCH)})
ROW = tuple(FEATURES.values())


def deciding(**changed: Any) -> Any:
    """The governed model with other thresholds."""
    return GOVERNED.model_copy(update={"decision": DecisionRule(actions=ACTIONS, **changed)})


def ask(world: World, *questions: Question, caller: Any = ANYBODY) -> Any:
    return world.run(world.decider.decide(questions, 0.0, caller=caller))
