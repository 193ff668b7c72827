"""Holds rows to their declaration, by the rules that `windvane validate` applies too."""

import pyarrow as pa

from windvane.cluster.errors import Invalid
from windvane.configs.schema import ModelSpec
from windvane.configs.tables import coerce as declared
from windvane.configs.tables.bad_table import BadTable
from windvane.configs.tables.moments import MOMENT as MOMENT


def coerce(table: pa.Table, spec: ModelSpec) -> pa.Table:
    """The same rows with declared types; unlabelled rows are left out; raises Invalid naming columns and rows."""
    try:
        return declared.coerce(table, spec)
    except BadTable as error:
        raise Invalid(str(error)) from error
