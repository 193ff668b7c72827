"""Careful plain models: what somebody who knows the field would fit in an afternoon, without a search."""

from collections.abc import Callable, Mapping

import numpy as np
import xgboost
from numpy.typing import NDArray
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from windvane.configs.schema import ModelSpec
from windvane.training.rows.examples import Examples

Rows = NDArray[np.float32]
Scores = NDArray[np.float64]
Rival = Callable[[ModelSpec, Examples, Rows, int], Scores]  # fit on examples with a seed, score rows


def trees(spec: ModelSpec, learn: Examples, rows: Rows, seed: int) -> Scores:
    """xgboost: 300 trees of depth 4, eta .1, categories as such."""
    kinds = ["c" if feature.type == "category" else "float" for feature in spec.features]
    parameters = {"objective": "binary:logistic", "max_depth": 4, "eta": 0.1, "seed": seed, "nthread": 1}

    def matrix(part: Rows, labels: NDArray[np.bool_] | None) -> xgboost.DMatrix:
        return xgboost.DMatrix(part, labels, feature_types=kinds, enable_categorical=True)

    booster = xgboost.train(parameters, matrix(learn.rows, learn.labels), 300)
    scores: Scores = booster.predict(matrix(rows, None)).astype(np.float64)
    return scores


def histograms(spec: ModelSpec, learn: Examples, rows: Rows, seed: int) -> Scores:
    """scikit-learn's HistGradientBoostingClassifier as it comes, categories as such."""
    named = [feature.type == "category" for feature in spec.features]
    model = HistGradientBoostingClassifier(categorical_features=named, random_state=seed)
    scores: Scores = model.fit(learn.rows, learn.labels).predict_proba(rows)[:, 1]
    return scores


def logistic(spec: ModelSpec, learn: Examples, rows: Rows, seed: int) -> Scores:
    """Logistic regression: numbers standardised, missing ones imputed and flagged, categories one-hot."""
    named = [place for place, feature in enumerate(spec.features) if feature.type == "category"]
    others = [place for place in range(len(spec.features)) if place not in named]
    numbers = make_pipeline(SimpleImputer(add_indicator=True, keep_empty_features=True), StandardScaler())
    prepared = make_column_transformer((numbers, others), (OneHotEncoder(handle_unknown="ignore"), named))
    model = make_pipeline(prepared, LogisticRegression(max_iter=2000, random_state=seed))
    scores: Scores = model.fit(learn.rows, learn.labels).predict_proba(rows)[:, 1]
    return scores


RIVALS: Mapping[str, Rival] = {"xgboost": trees, "histograms": histograms, "logistic": logistic}
