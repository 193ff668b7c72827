"""A command that waits says for what, as control sees it."""

from typing import Any

from windvane.cluster.cli.waits import Waits
from windvane.cluster.errors import Unavailable


class Control:
    def __init__(self, *waits: tuple[str | None, str]) -> None:
        self.waits, self.asked, self.down = waits, 0, False

    def status(self) -> dict[str, Any]:
        self.asked += 1
        if self.down:
            raise Unavailable("control does not answer")
        return {"waits": [{"model": model, "sentence": sentence} for model, sentence in self.waits]}


def test_what_a_model_and_a_training_wait_for_stands_beside_what_is_going_on() -> None:
    control = Control(("churn", "churn waits"), ("trips", "trips waits"), (None, "a training waits"))
    said: list[str] = []
    Waits(control, "churn", lambda: 0.0).beside(said.append)("churn: DEPLOYING")  # type: ignore[arg-type]
    assert said == ["churn: DEPLOYING · churn waits · a training waits"]


def test_control_is_asked_once_a_second_and_each_sentence_is_fresh_once() -> None:
    control, times = Control(("churn", "churn waits")), iter((0.0, 0.0, 0.5, 1.0, 1.0))
    waits = Waits(control, "churn", lambda: next(times))  # type: ignore[arg-type]
    assert [waits.fresh(), waits.fresh(), waits.fresh()] == [("churn waits",), (), ()]
    assert control.asked == 2


def test_a_control_that_is_away_says_nothing() -> None:
    control = Control(("churn", "churn waits"))
    control.down = True
    assert Waits(control, "churn", lambda: 0.0).now() == ()  # type: ignore[arg-type]
