"""Measures the features of a window against a version's profile. Pure."""

import numpy as np

from windvane.monitoring.counts.counts import WindowCounts
from windvane.monitoring.counts.profile import MISSING_BIN, UNKNOWN_BIN, Layout, Profile
from windvane.monitoring.findings import FeatureMeasure
from windvane.monitoring.statistics.drift import category_psi, psi, share_rise


def feature_measures(profile: Profile, layout: Layout, counts: WindowCounts) -> tuple[FeatureMeasure, ...]:
    """Distance of every feature of a window from the profile; empty where its features were not counted."""
    if counts.features is None:
        return ()
    measured: list[FeatureMeasure] = []
    for feature, now in zip(profile.features, layout.split(counts.features), strict=True):
        reference, category = np.array(feature.counts), feature.kind == "category"
        measured.append(
            FeatureMeasure(
                feature.name,
                psi=(category_psi if category else psi)(reference, now),
                missing_rise=share_rise(reference, now, MISSING_BIN),
                unknown_rise=share_rise(reference, now, UNKNOWN_BIN) if category else None,
            )
        )
    return tuple(measured)
