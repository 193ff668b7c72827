import sys

import pytest

from windvane.training.fit.xgboost_import import absent


def test_a_package_is_absent_only_meanwhile() -> None:
    sys.modules.pop("colorsys", None)
    with absent("colorsys"), pytest.raises(ModuleNotFoundError, match="colorsys"):
        import colorsys
    import colorsys

    assert colorsys.rgb_to_hsv(0, 0, 0) == (0, 0, 0)
