"""The reference is the schema's, field by field, and the tutorial's examples are real."""

import inspect
import re

import pytest

from configs import schema
from configs.document import parse
from configs.schema import Declared, Feature
from docs.generate import PAGE, meanings, page


def test_the_field_reference_is_up_to_date_with_the_schema() -> None:
    written = PAGE.read_text(encoding="utf-8")
    assert page(written) == written, "run `make docs`"


def test_every_field_says_what_it_means() -> None:
    for model in vars(schema).values():
        if inspect.isclass(model) and issubclass(model, Declared):
            silent = [field for field, meaning in meanings(model).items() if not meaning]
            assert not silent, f"{model.__name__} in configs/schema.py: no comment at {silent}"


def test_a_page_without_the_mark_is_not_overwritten() -> None:
    with pytest.raises(SystemExit, match="has lost the line"):
        page("# Declaring a model\n")


def test_the_features_of_the_tutorial_can_be_declared() -> None:
    [block] = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    for feature in parse(block).value["features"]:
        Feature.model_validate(feature)
