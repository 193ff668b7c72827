"""Features, which a model may look at, and attributes, only kept to audit it by."""

import re
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from windvane.configs.declared import COLUMN, Declared, repeated, wrong
from windvane.configs.quantities import Figure, Flag

VALUE = "{value}"  # what a wording may hold: the feature's own value


class Wording(Declared):
    """Words that tell people a feature's part in a score; `{value}` stands for the feature's value and unit."""

    raises: str = ""  # said where the feature raised the score
    lowers: str = ""  # said where it lowered the score
    missing: str = ""  # said where its value was not given, whichever way that went

    @model_validator(mode="after")
    def _holds_nothing_but_the_value(self) -> Self:
        for direction, text in (("raises", self.raises), ("lowers", self.lowers)):
            if re.search(r"[{}]", text.replace(VALUE, "")):
                raise wrong(f"holds braces that are not {VALUE}, the only thing that is filled in", direction)
        if re.search(r"[{}]", self.missing):
            raise wrong("holds braces, and there is no value that could be filled in", "missing")
        return self


class Feature(Declared):
    """One model input: its type, unit, allowed range and whether it may be missing."""

    name: Annotated[str, Field(pattern=COLUMN)]  # column name, and the name in requests
    # what a value is; a category is one of a declared list of texts
    type: Literal["number", "integer", "boolean", "category"]
    unit: str = ""  # of measurement, for people
    description: str = ""  # what it means, for people
    min: Figure | None = None  # smallest value accepted, in training and in requests
    max: Figure | None = None  # largest value accepted
    # smallest and largest value usually seen; values outside are answered with a warning and counted, never refused
    usual: tuple[Figure, Figure] | None = None
    categories: tuple[str, ...] = ()  # the values a category can take; any other counts as unknown
    missing: Flag = False  # whether a value may be absent
    personal: Flag = False  # whether it tells something about a person
    protected: Flag = False  # may not be true of a feature: what is protected stands under `audit`, and never decides
    # whether the subject can change it, and which way; counterfactuals change nothing else
    mutable: Literal["increase", "decrease"] | Flag = False
    # price in a counterfactual of one unit more or less, or of another category; without one a usual spread costs 1
    change_cost: Annotated[Figure, Field(gt=0.0)] | None = None
    reason: Wording = Wording()  # what people are told about its part in a score

    @model_validator(mode="after")
    def _fits_its_type(self) -> Self:
        if self.type == "category":
            if not self.categories:
                raise wrong("a category needs `categories`, the values it can take", "categories")
            if len(set(self.categories)) != len(self.categories):
                raise wrong("names a value twice", "categories")
        elif self.categories:
            raise wrong(f"belongs to type category, not {self.type}", "categories")
        for bound, value in (("min", self.min), ("max", self.max)):
            if value is not None and self.type in ("category", "boolean"):
                raise wrong(f"belongs to numbers, not to type {self.type}", bound)
            if value is not None and self.type == "integer" and not value.is_integer():
                raise wrong(f"{value:g} is not a whole number, as type integer needs", bound)
        if self.min is not None and self.max is not None and self.min > self.max:
            raise wrong(f"{self.min:g} is above max {self.max:g}", "min")
        return self

    @model_validator(mode="after")
    def _usual_is_a_range(self) -> Self:
        if self.usual is None:
            return self
        low, high = self.usual
        if self.type in ("category", "boolean"):
            raise wrong(f"belongs to numbers, not to type {self.type}", "usual")
        if low > high:
            raise wrong(f"begins above its end; write [{high:g}, {low:g}]", "usual")
        if self.min is not None and high < self.min:
            raise wrong(f"ends at {high:g}, below min {self.min:g}: every value accepted would be unusual", "usual")
        if self.max is not None and low > self.max:
            raise wrong(f"begins at {low:g}, above max {self.max:g}: every value accepted would be unusual", "usual")
        return self

    @model_validator(mode="after")
    def _may_decide(self) -> Self:
        if self.protected:
            raise wrong(
                "a protected attribute may not be a feature; declare it under `audit`, which never decides", "protected"
            )
        if self.type == "category" and self.mutable in ("increase", "decrease"):
            raise wrong("categories have no order; write true", "mutable")
        if self.change_cost is not None and self.mutable is False:
            raise wrong("belongs to a feature that is `mutable`", "change_cost")
        return self


class Attribute(Declared):
    """A column that versions are audited by and that no version sees: race, gender, age group."""

    name: Annotated[str, Field(pattern=COLUMN)]  # column name in the labelled rows
    type: Literal["boolean", "category"]  # audits compare groups, so numbers are grouped where the rows are made
    description: str = ""  # what it means, for people
    categories: tuple[str, ...] = ()  # the groups a category can name; any other counts as unknown
    missing: Flag = False  # whether a value may be absent
    protected: Flag = True  # whether law or policy forbids to decide by it
    # other columns that tell it outright or nearly, such as a district; they may not be features either
    proxies: tuple[Annotated[str, Field(pattern=COLUMN)], ...] = ()

    @model_validator(mode="after")
    def _fits_its_type(self) -> Self:
        if self.type == "category" and not self.categories:
            raise wrong("a category needs `categories`, the values it can take", "categories")
        if self.type == "boolean" and self.categories:
            raise wrong("belongs to type category, not boolean", "categories")
        if (again := repeated(self.categories)) is not None:
            raise wrong(f"{self.categories[again]!r} stands here twice", "categories", again)
        if (again := repeated(self.proxies)) is not None:
            raise wrong(f"{self.proxies[again]!r} stands here twice", "proxies", again)
        if self.proxies and not self.protected:
            raise wrong("belongs to a protected attribute", "proxies")
        return self
