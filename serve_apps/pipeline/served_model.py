"""One model as this replica serves it."""

from dataclasses import dataclass

from windvane.configs.schema import ModelSpec
from windvane.serve_apps.pipeline.policy_check import PolicyCheck
from windvane.serve_apps.traffic.loaded_versions import LoadedVersions


@dataclass(frozen=True, slots=True)
class ServedModel:
    """The model as it was declared, what is loaded of it, and what policy lets be done with it."""

    spec: ModelSpec
    loaded_versions: LoadedVersions
    policy_check: PolicyCheck
