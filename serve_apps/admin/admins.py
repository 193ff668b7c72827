"""Everything that the control API answers from."""

from dataclasses import dataclass

from windvane.cluster.declarations import Declarations
from windvane.serve_apps.admin.governance.routes import Governance
from windvane.serve_apps.admin.key_admin import KeyAdmin
from windvane.serve_apps.admin.model_admin import ModelAdmin
from windvane.serve_apps.admin.model_history import ModelHistory
from windvane.serve_apps.admin.records.records import RecordsAdmin
from windvane.serve_apps.admin.rollout_admin import RolloutAdmin


@dataclass(frozen=True, slots=True)
class Admins:
    """One for each thing that people ask of control; without `records` there are no routes about them."""

    declarations: Declarations
    models: ModelAdmin
    history: ModelHistory
    rollouts: RolloutAdmin
    keys: KeyAdmin
    governance: Governance
    records: RecordsAdmin | None = None
