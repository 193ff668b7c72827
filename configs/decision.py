"""Actions by score, and which of them go against their subject."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from windvane.configs.declared import Declared, repeated, wrong
from windvane.configs.quantities import Figure, Flag, Share


class Action(Declared):
    """An action taken when the score is at least `at_least`, with its cost for each truth."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]  # what is done
    at_least: Share  # score from which it is taken
    cost_if_true: Figure = 0.0  # what it costs when the target turns out true
    cost_if_false: Figure = 0.0  # what it costs when it turns out false
    adverse: Flag = False  # whether it goes against its subject, who is then owed what `explanation` says
    manual: Flag = False  # whether only a person may take it: the answer is then `refer`, and nothing is done


class DecisionRule(Declared):
    """Score thresholds, highest that is reached wins; one action starts at 0."""

    actions: Annotated[tuple[Action, ...], Field(min_length=1)]  # the highest threshold a score reaches decides
    refer_from: Share | None = None  # score from which a person takes any action: the answer is then `refer`

    @model_validator(mode="after")
    def _covers_every_score(self) -> Self:
        starts = [action.at_least for action in self.actions]
        names = [action.name for action in self.actions]
        if (again := repeated(names)) is not None:
            raise wrong(f"another action is named {names[again]!r}", "actions", again, "name")
        if (again := repeated(starts)) is not None:
            raise wrong(f"another action starts at {starts[again]:g}", "actions", again, "at_least")
        if 0.0 not in starts:
            raise wrong("no action starts at 0.0, so low scores would have none", "actions")
        return self

    @model_validator(mode="after")
    def _adverse_lies_at_one_end(self) -> Self:
        adverse = [action.adverse for action in sorted(self.actions, key=lambda action: action.at_least)]
        if all(adverse):
            raise wrong("every action is adverse, so none is left that could have been hoped for", "actions")
        if adverse not in (sorted(adverse), sorted(adverse, reverse=True)):
            first = next(place for place, action in enumerate(self.actions) if action.adverse)
            what = "adverse actions must be the highest or the lowest: a reason is what pushed the score towards them"
            raise wrong(what, "actions", first, "adverse")
        return self

    @property
    def adverse(self) -> tuple[str, ...]:
        """The names of the adverse actions."""
        return tuple(action.name for action in self.actions if action.adverse)

    @property
    def adverse_is_high(self) -> bool:
        """Whether a higher score leads to the adverse actions; False too when there are none."""
        return max(self.actions, key=lambda action: action.at_least).adverse
