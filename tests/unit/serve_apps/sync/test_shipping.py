import asyncio

import pytest

from tests.worlds.gateway.world import settled
from windvane.cluster.errors import Unavailable
from windvane.serve_apps.sync.shipping import Shipping


class Counter:
    """Counts drains."""

    def __init__(self) -> None:
        self.drains = 0

    def drain(self) -> bytes:
        self.drains += 1
        return b"%d" % self.drains


class Line:
    """A monitor that may be gone."""

    def __init__(self) -> None:
        self.gone = False
        self.shipped: list[bytes] = []

    async def ship(self, payload: bytes) -> None:
        if self.gone:
            raise Unavailable("gone")
        self.shipped.append(payload)


def test_what_a_missing_monitor_did_not_get_comes_later_in_order() -> None:
    async def scenario() -> None:
        line = Line()
        shipping = Shipping(Counter(), line)
        await shipping.ship()
        line.gone = True
        await shipping.ship()
        await shipping.ship()
        assert line.shipped == [b"1"]
        line.gone = False
        await shipping.ship()
        assert line.shipped == [b"1", b"2", b"3", b"4"]

    asyncio.run(scenario())


def test_only_the_newest_shipments_are_kept() -> None:
    async def scenario() -> None:
        line = Line()
        shipping = Shipping(Counter(), line, most_kept=2)
        line.gone = True
        for _ in range(3):
            await shipping.ship()
        line.gone = False
        await shipping.stop()
        assert line.shipped == [b"3", b"4"]

    asyncio.run(scenario())


def test_it_ships_again_and_again_until_it_is_stopped_and_then_the_rest() -> None:
    async def scenario() -> None:
        line = Line()
        shipping = Shipping(Counter(), line, seconds=0.0)
        shipping.start()
        while len(line.shipped) < 3:
            await asyncio.sleep(0)
        await shipping.stop()
        shipped = list(line.shipped)
        await asyncio.sleep(0)
        assert line.shipped == shipped == [b"%d" % number for number in range(1, len(shipped) + 1)]

    asyncio.run(scenario())


def test_whatever_a_shipment_meets_the_next_is_shipped(caplog: pytest.LogCaptureFixture) -> None:
    class Odd(Line):
        async def ship(self, payload: bytes) -> None:
            if payload == b"1" and not self.shipped and not self.gone:
                self.gone = True
                raise LookupError
            self.shipped.append(payload)

    async def scenario() -> None:
        line = Odd()
        shipping = Shipping(Counter(), line, seconds=0.0)
        shipping.start()
        await settled(lambda: len(line.shipped) > 2)
        assert line.shipped[:3] == [b"1", b"2", b"3"]
        await shipping.stop()

    asyncio.run(scenario())
    assert "it goes on" in caplog.text
