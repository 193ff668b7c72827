"""The policy set that one replica goes by: the newest it was handed; without one, everything is denied."""

import asyncio
import logging
from collections.abc import Callable

import msgspec

from windvane.cluster.decoders import json_decoder
from windvane.cluster.errors import Invalid, NotFound
from windvane.cluster.policies.policy import Closed, Policy
from windvane.cluster.policies.policy_library import PolicyInForce
from windvane.cluster.policies.policy_set import PolicySet

NONE_YET = Closed("no policy set was handed to this replica yet")
_decode = json_decoder(PolicyInForce).decode
logger = logging.getLogger(__name__)


class PolicyHolder:
    """A subscriber of the topics; `policy` is swapped as one pointer, whoever asks at that moment."""

    def __init__(
        self,
        stored: Callable[[], PolicyInForce | None],
        take: Callable[[PolicySet], Policy],
    ) -> None:
        """`stored` blocks; `take` makes a set ready, and makes one that denies everything of one that cannot be."""
        self._stored = stored
        self._take = take
        self.number = 0
        self.policy: Policy = NONE_YET

    async def reload(self) -> None:
        """Go by what the store has now; by a set that was lost or changed there, nobody goes. Raises Unavailable."""
        try:
            stored = await asyncio.to_thread(self._stored)
        except (Invalid, NotFound) as error:
            logger.error("The policy set in the store cannot be gone by: %s", error)
            if self.number == 0:
                self.policy = Closed(str(error))
            return
        if stored is not None:
            await self._go_by(stored)

    async def take(self, posts: tuple[str, ...]) -> None:
        """Go by the newest."""
        await self._go_by(max((_decode(post) for post in posts), key=lambda post: post.number))

    async def _go_by(self, newest: PolicyInForce) -> None:
        if newest.number <= self.number:
            return
        policy = await asyncio.to_thread(self._take, newest.written)  # milliseconds that decisions need not wait for
        if newest.number > self.number:
            self.number, self.policy = newest.number, policy
            logger.info("Policy set %s is in force", policy.version[:12])


def encode_policy(in_force: PolicyInForce) -> str:
    """The post that travels."""
    return msgspec.json.encode(in_force).decode()
