"""A model card with everything that one may say."""

from windvane.cluster.model_card import Card, Figure, GroupFigures, TrainingRows, Use

CARD = Card(
    model="loans",
    description="Will they pay?",
    target="bad",
    unit="customer",
    owner="credit@example.org",
    made_at="2026-01-01T10:00:00+00:00",
    reason="first",
    parent=None,
    review_by="2027-06-30T00:00:00+00:00",
    purposes=(Use("lending", "whether to lend", True), Use("statistics", "", False)),
    features=("income", "debt"),
    personal=("income",),
    audited=("race",),
    adverse=("decline",),
    rows=TrainingRows("loans.csv", "ab" * 32, 1200, 300, 40, "2025-12-31T00:00:00+00:00", "dead", "python 3.11"),
    metrics={"auc": Figure(0.75, 0.7, 0.8), "calibration_error": Figure(0.02, 0.01, 0.03)},
    groups=(
        GroupFigures("race", "white", 250, 30, {"decline": Figure(0.1, 0.08, 0.12)}, {"auc": Figure(0.76, 0.7, 0.82)}),
        GroupFigures("race", "black", 9, 2, {}, {}),
    ),
    limits=("Too few rows.",),
    approvals=("champion: the first version",),
)
