"""Ticks many models side by side: what one model's tick waits for holds up no other model's."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime

from windvane.configs.schema import ModelSpec

MOST_AT_ONCE = 64  # ticks of one kind; they mostly wait for a monitor or the Switchboard


class ModelTicks:
    """One kind of tick for all models, on a bounded number of threads; a model is ticked by one of them at a time.

    >>> with ModelTicks("greet", lambda spec, now: print(spec), most_at_once=1) as ticks:
    ...     ticks.begin([])
    """

    def __init__(
        self,
        kind: str,
        act: Callable[[ModelSpec, datetime], object],
        going_on: Callable[[str], AbstractContextManager[None]] = lambda _: nullcontext(),
        most_at_once: int = MOST_AT_ONCE,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`going_on("kind:model")` is entered around every tick, and tells of whatever it raises."""
        self._kind = kind
        self._act = act
        self._going_on = going_on
        self._now = now
        self._busy: set[str] = set()  # models whose tick is not over
        self._threads = ThreadPoolExecutor(most_at_once, kind)

    def __enter__(self) -> "ModelTicks":
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.shutdown()

    @property
    def busy(self) -> frozenset[str]:
        """The models whose tick is not over."""
        return frozenset(self._busy.copy())

    def begin(self, models: Sequence[ModelSpec]) -> None:
        """Begin a tick of every model whose last one is over, and return at once."""
        for spec in models:
            if spec.name not in self._busy:
                self._busy.add(spec.name)
                self._threads.submit(self._tick, spec)

    def close(self) -> None:
        """Begin nothing any more; what goes on ends by itself."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _tick(self, spec: ModelSpec) -> None:
        try:
            with self._going_on(f"{self._kind}:{spec.name}"):
                self._act(spec, self._now())
        finally:
            self._busy.discard(spec.name)
