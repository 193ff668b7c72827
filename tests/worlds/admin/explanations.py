"""Decisions explained again, as the control API tells of them."""

from windvane.serve_apps.admin.records.replies import Retold

PLAIN: Retold = {
    "decision_id": "d1",
    "model": "loans",
    "version": 3,
    "at": "2026-01-01T10:00:00+00:00",
    "subject": "A7",
    "action": "keep",
    "prediction": 0.25,
    "base_value": -1.0,
    "contributions": [
        {"feature": "debt", "value": 41.0, "weight": 0.5, "text": "Debts take 41 %"},
        {"feature": "home", "value": None, "weight": -0.25, "text": "home was not given"},
    ],
    "grounds": None,
    "recorded": {"explanation": False, "grounds": False},
    "again": {"prediction": 0.25, "largest_difference": None, "same_grounds": None},
}
ADVERSE: Retold = {
    **PLAIN,
    "decision_id": "d2",
    "grounds": {
        "reasons": [{"feature": "debt", "value": 41.0, "weight": 0.5, "text": "Debts take 41 %"}],
        "counterfactual": {
            "outcome": "none found",
            "text": "None found within the searched changes, which were those of debt.",
            "searched": ["debt"],
            "proven": 1,
            "rows": 9,
        },
    },
    "recorded": {"explanation": True, "grounds": True},
    "again": {"prediction": 0.25, "largest_difference": 2e-15, "same_grounds": True},
}
