"""Somebody with a hand on the Switchboard, in a process of its own: reads one JSON command a line, answers in kind.

Ray reads how it authenticates once, when it is imported, so a test that starts its own cluster cannot be its driver.
"""

import os
import sys
from typing import Any

import msgspec
import ray

from cluster.errors import Unavailable
from serve_apps.ray_switchboard import RaySwitchboard
from serve_apps.switchboard import decode_split


def main(address: str, store_url: str) -> None:
    answers = os.fdopen(os.dup(1), "w")  # Ray's own words go to stdout at times; ours have a line of their own
    os.dup2(2, 1)
    ray.init(address=address, log_to_driver=False, logging_level="ERROR")
    switchboard = RaySwitchboard(store_url)
    for line in sys.stdin:
        verb, argument = msgspec.json.decode(line)
        answer: Any
        try:
            if verb == "publish":
                answer = switchboard.publish(decode_split(argument))
            else:
                answer = switchboard.in_force(argument)
        except Unavailable as error:
            answer = {"unavailable": str(error)}
        answers.write(msgspec.json.encode(answer).decode() + "\n")
        answers.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
