"""Explains the rows that ask for it or owe it: on the loop where that was quick lately, else in a thread."""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeAlias
from weakref import WeakKeyDictionary

from windvane.cluster.errors import Unavailable
from windvane.cluster.faults.log_redaction import brief
from windvane.cluster.policies.policy import EXPLANATION
from windvane.configs.schema import ModelSpec
from windvane.serve_apps.pipeline.cost_estimate import CostEstimate
from windvane.serve_apps.pipeline.pending import Scored
from windvane.serve_apps.versions.loaded_version import LoadedVersion
from windvane.serve_apps.versions.reasons.adverse_action import Explained

LONGEST_HELD_SECONDS = 0.002  # explaining that is expected to take longer leaves the loop to others
Explanations: TypeAlias = Sequence[Explained]
Told: TypeAlias = Callable[[Scored, Explanations | None, BaseException | None], None]


class Explaining:
    """Takes scored rows, and tells on the loop of each with its explanation, with none, or with the error instead."""

    def __init__(self, spec: ModelSpec, loop: asyncio.AbstractEventLoop, told: Told) -> None:
        self._every = spec.serving.explanations == "always"
        self._adverse = frozenset(spec.decision.adverse)
        self._searches = spec.explanation.counterfactual
        self._loop = loop
        self._told = told
        self._explainer = ThreadPoolExecutor(1, "explain")
        self._searcher = ThreadPoolExecutor(1, "search")
        # An estimate goes with its version.
        self._estimates: WeakKeyDictionary[LoadedVersion, CostEstimate] = WeakKeyDictionary()

    def take(self, scored: Scored) -> None:
        """Tell at once of rows without an explanation, and of those asked for or owed one when it is there."""
        every, adverse, rows = self._every, self._adverse, scored.rows
        asked = [
            place
            for place, (row, taken) in enumerate(zip(rows, scored.taken, strict=True))
            if every or row.question.explain or EXPLANATION in taken.verdict.requires
        ]
        owed = [place for place, taken in enumerate(scored.taken) if taken.action in adverse] if adverse else []
        if not asked and not owed:
            self._told(scored, None, None)
            return
        searched = set(owed) if self._searches else set()
        explained = set(asked).union(owed) - searched
        plain = set(range(len(rows))) - explained - searched
        if plain:
            self._told(scored.only(sorted(plain)), None, None)
        if explained:
            self._explain(scored if len(explained) == len(rows) else scored.only(sorted(explained)))
        for place in sorted(searched):  # one by one: each takes milliseconds, and nobody waits for the last
            self._beside(self._searcher, scored.only([place]), CostEstimate())

    def _explain(self, scored: Scored) -> None:
        """Here when that is quick, else in a thread, so that nobody waits long for what others asked."""
        estimate = self._estimates.setdefault(scored.loaded, CostEstimate())
        if estimate.expected(len(scored.rows)) > LONGEST_HELD_SECONDS:
            self._beside(self._explainer, scored, estimate)
            return
        try:
            explanations = _explained(scored, estimate)
        except Exception as error:  # noqa: BLE001  told on: another version answers
            self._told(scored, None, error)
        else:
            self._told(scored, explanations, None)

    def _beside(self, threads: ThreadPoolExecutor, scored: Scored, estimate: CostEstimate) -> None:
        explaining = self._loop.run_in_executor(threads, _explained, scored, estimate)

        def explained(done: "asyncio.Future[Explanations]") -> None:
            error = done.exception()
            self._told(scored, done.result() if error is None else None, error)

        explaining.add_done_callback(explained)


def _explained(scored: Scored, estimate: CostEstimate) -> Explanations:
    """Explain each row; raises Unavailable. Measures this thread's own time."""
    start = time.thread_time()
    loaded = scored.loaded
    adverse_action, contributions = loaded.adverse_action, loaded.explain(scored.encoded)
    questions, actions = [row.question for row in scored.rows], [taken.action for taken in scored.taken]
    try:
        told = adverse_action.explained(questions, actions, contributions)
    except Exception as error:
        raise Unavailable(f"Version {loaded.number} cannot explain: {brief(error)}") from error
    estimate.took(len(told), time.thread_time() - start)
    return told
