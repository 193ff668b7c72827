import pytest

from windvane.configs.drafting.names import is_protected, is_proxy


@pytest.mark.parametrize(
    "name",
    ["race", "Sex", "gender", "AGE_GROUP", "ageGroup", "religion", "nationality", "marital_status", "native-country",
     "ethnicity", "foreign_worker", "personal_status_sex", "black", "hispan", "Geschlecht", "disability", "pregnant"],
)  # fmt: skip
def test_groups_that_may_not_decide(name: str) -> None:
    assert is_protected(name)


@pytest.mark.parametrize(
    "name", ["age", "race_time", "income", "status", "group", "country", "blackbox_score", "essex"]
)
def test_what_only_sounds_like_one(name: str) -> None:
    assert not is_protected(name)


@pytest.mark.parametrize(
    ("name", "proxy"), [("zip", True), ("ZIPCode", True), ("post_code", True), ("PLZ", True), ("zipped", False)]
)
def test_where_somebody_lives(name: str, proxy: bool) -> None:
    assert is_proxy(name) == proxy
