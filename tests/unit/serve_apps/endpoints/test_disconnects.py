import asyncio
from typing import Any

from windvane.serve_apps.endpoints.disconnects import PATIENCE_SECONDS, Disconnects, hung_up
from windvane.serve_apps.serve_hooks import UNWATCHED

GONE, HERE = {"type": "http.disconnect"}, {"type": "http.request"}
MARKED = dict([UNWATCHED])


class Client:
    """One end of a connection whose body was read; `receive` is the server's side of it."""

    def __init__(self) -> None:
        self.leaves = asyncio.Event()
        self.asked = 0

    async def receive(self) -> dict[str, Any]:
        self.asked += 1
        await self.leaves.wait()
        return GONE


def test_a_client_is_gone_when_the_server_says_so_at_once() -> None:
    async def scenario() -> None:
        client = Client()
        assert not hung_up(client.receive)
        client.leaves.set()
        assert hung_up(client.receive)

        async def more() -> dict[str, Any]:
            return HERE

        assert not hung_up(more)

    asyncio.run(scenario())


def test_who_waits_long_and_left_is_cancelled_and_nobody_else() -> None:
    async def scenario() -> None:
        now = 0.0
        disconnects = Disconnects(lambda: now)
        answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        async def request(client: Client, headers: dict[bytes, bytes]) -> str:
            with disconnects.watch(headers, client.receive):
                return await asyncio.shield(answer)

        stays, leaves, watched, late = Client(), Client(), Client(), Client()
        tasks = [
            asyncio.ensure_future(request(client, headers))
            for client, headers in ((stays, MARKED), (leaves, MARKED), (watched, {}))
        ]
        await asyncio.sleep(0)
        for client in (leaves, watched, late):
            client.leaves.set()
        disconnects.sweep()
        assert leaves.asked == 0  # it has not waited for long
        now = 2 * PATIENCE_SECONDS
        tasks.append(asyncio.ensure_future(request(late, MARKED)))
        await asyncio.sleep(0)
        disconnects.sweep()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert [task.cancelled() for task in tasks] == [False, True, False, False]
        assert [client.asked for client in (stays, leaves, watched, late)] == [1, 1, 0, 0]
        answer.set_result("yes")
        assert [await task for task in tasks if not task.cancelled()] == ["yes"] * 3
        now = 9.0
        disconnects.sweep()
        assert stays.asked == 1  # an answered request is not looked at

    asyncio.run(scenario())
