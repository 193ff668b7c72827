"""Evidence for the judge of a rollout: frozen figures; what was not seen is None, never 0.0."""

from dataclasses import dataclass

from windvane.configs.sized_plan import Traffic


@dataclass(frozen=True, slots=True)
class ArmEvidence:
    """Figures of one version while one split held."""

    version: int
    decisions: int
    errors: int
    latency_p99_ms: float | None
    slow: int | None = None  # decisions answered later than the objective allows


@dataclass(frozen=True, slots=True)
class PairedEvidence:
    """Brier loss of candidate minus champion over labelled decisions that both have scored."""

    champion: int
    candidate: int
    n: int
    mean_difference: float  # in [−1, 1]
    variance: float  # of one decision's difference
    brier_champion: float
    brier_candidate: float
    windows: float = 1.0  # of the model's monitor that the decisions span


@dataclass(frozen=True, slots=True)
class ShiftEvidence:
    """Difference between the two versions' scores of the same decisions."""

    n: int
    psi: float


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything seen of one comparison: arms of one revision, paired parts since the asked moment."""

    revision: int
    arms: tuple[ArmEvidence, ...]
    paired: PairedEvidence | None
    shift: ShiftEvidence | None
    traffic: Traffic | None = None

    def arm(self, version: int) -> ArmEvidence | None:
        """Evidence on that version, or None when it answered nothing."""
        return next((arm for arm in self.arms if arm.version == version), None)
