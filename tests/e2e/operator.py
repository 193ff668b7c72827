"""Somebody who deploys and publishes, in a process of its own: reads one JSON command a line, answers in kind.

Ray reads how it authenticates once, when it is imported, so a test that starts its own cluster cannot be its driver.
"""

import os
import sys
from collections.abc import Callable
from typing import Any

import msgspec
import ray

from windvane.cluster.errors import Unavailable
from windvane.cluster.runtime.serve_apps_api import ServeApplications
from windvane.configs.settings import Settings
from windvane.serve_apps.sync.ray_switchboard import RaySwitchboard
from windvane.serve_apps.sync.split_subscriber import decode_split


def main(settings_json: str, address: str, dashboard_url: str) -> None:
    answers = os.fdopen(os.dup(1), "w")  # Ray's own words go to stdout at times; ours have a line of their own
    os.dup2(2, 1)
    settings = Settings.model_validate_json(settings_json)
    applications = ServeApplications(dashboard_url, settings)
    switchboard = RaySwitchboard(settings.ray_namespace)
    ray.init(address=address, log_to_driver=False, logging_level="ERROR")
    verbs: dict[str, Callable[[str], Any]] = {
        "publish": lambda split: switchboard.publish(decode_split(split)),
        "in_force": switchboard.in_force,
        "deploy": lambda model: applications.deploy_model(model, "first"),
        "running": lambda model: applications.wait_running(model, 180.0, lambda _: None),
        "remove": applications.remove,
    }
    for line in sys.stdin:
        verb, argument = msgspec.json.decode(line)
        try:
            answer = {"answer": verbs[verb](argument)}
        except Unavailable as error:
            answer = {"unavailable": str(error)}
        answers.write(msgspec.json.encode(answer).decode() + "\n")
        answers.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
