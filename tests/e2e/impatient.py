"""The Gateway as it is deployed, with autoscaling that makes up its mind in seconds: Serve's own takes minutes."""

from contextlib import closing
from typing import Any

from ray import serve

from windvane.cluster.declarations import load_spec
from windvane.cluster.sql_store import SqlStore
from windvane.configs.settings import Settings
from windvane.serve_apps.gateway import Gateway, options_of

SECONDS = {"upscale_delay_s": 1.0, "downscale_delay_s": 3.0, "look_back_period_s": 3.0, "metrics_interval_s": 0.5}


def build(args: dict[str, Any]) -> serve.Application:
    """As `windvane.serve_apps.gateway.build`."""
    settings = Settings.model_validate(args["settings"])
    with closing(SqlStore(settings.store_url)) as store:
        options = options_of(load_spec(store, args["model"]).serving)
    options["autoscaling_config"] = options["autoscaling_config"].model_copy(update=SECONDS)
    deployment: Any = Gateway
    return deployment.options(**options).bind(args["model"], args["settings"], args["spec_digest"])
