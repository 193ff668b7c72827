import asyncio
import itertools
from collections.abc import Coroutine
from typing import Any

from windvane.serve_apps.pipeline.body_queue import LARGE_BYTES, BodyQueue


def run(scenario: Coroutine[Any, Any, None]) -> None:
    asyncio.run(scenario)


def test_large_requests_go_one_a_turn_in_order_and_small_ones_at_once() -> None:
    async def scenario() -> None:
        body_queue, passed = BodyQueue(asyncio.get_running_loop()), list[str]()

        async def come(name: str, size: int) -> None:
            await body_queue.turn(size)
            passed.append(name)

        coming = [asyncio.ensure_future(come(name, LARGE_BYTES)) for name in "abc"]
        coming.append(asyncio.ensure_future(come("small", LARGE_BYTES - 1)))
        by_turn = []
        for _ in range(5):
            await asyncio.sleep(0)
            by_turn.append("".join(passed))
        assert by_turn[0] == "asmall"
        assert by_turn[-1] == "asmallbc"
        assert all(len(later) - len(earlier) <= 1 for earlier, later in itertools.pairwise(by_turn))
        await asyncio.gather(*coming)

    run(scenario())


def test_nobody_waits_when_nobody_else_is_there() -> None:
    async def scenario() -> None:
        body_queue = BodyQueue(asyncio.get_running_loop())
        for _ in range(3):
            passing = body_queue.turn(LARGE_BYTES)
            try:
                passing.send(None)
            except StopIteration:
                pass
            else:
                raise AssertionError("it waited")
            for _ in range(2):
                await asyncio.sleep(0)

    run(scenario())


def test_who_has_gone_is_passed_over() -> None:
    async def scenario() -> None:
        body_queue = BodyQueue(asyncio.get_running_loop())
        first, gone, last = (asyncio.ensure_future(body_queue.turn(LARGE_BYTES)) for _ in range(3))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.wait_for(asyncio.gather(first, last), 5.0)
        await asyncio.wait_for(body_queue.turn(LARGE_BYTES), 5.0)
        assert gone.cancelled()

    run(scenario())
