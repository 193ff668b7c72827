"""Reads the labelled rows that a model declares; many or large files by Ray tasks, over the nodes."""

import logging
from collections.abc import Collection, Sequence

import pyarrow as pa

from windvane.cluster.errors import Invalid, NotFound
from windvane.configs.schema import Attribute, Feature, ModelSpec, Source
from windvane.configs.tables.bad_table import BadTable
from windvane.configs.tables.files import part
from windvane.configs.tables.listing import Listed
from windvane.configs.tables.source import read_source
from windvane.configs.tables.unify import Part
from windvane.configs.tables.url_redaction import public as public

LARGE_BYTES = 512 * 2**20  # from here on files are read by tasks; below, starting them costs more
MANY_FILES = 64
_TASKS = 32

log = logging.getLogger(__name__)


def read(spec: ModelSpec, source: Source | None = None) -> pa.Table:
    """The columns the spec names, as they are in the source and in its order; raises Invalid or NotFound."""
    try:
        rows = read_source(source or spec.data, columns_of(spec), many=_read_files)
    except BadTable as error:
        raise (NotFound if error.absent else Invalid)(str(error)) from error
    for note in rows.notes:
        log.warning("data.source: %s", note)
    return rows.table


def columns_of(spec: ModelSpec) -> list[str]:
    """Every column that training reads: features, target, event time, subject, and what versions are audited by."""
    roles = [spec.target.name, spec.data.time, spec.data.known, spec.data.subject]
    declared: list[Feature | Attribute] = [*spec.features, *spec.audit]
    return [column.name for column in declared] + [name for name in roles if name]


def _read_files(files: Sequence[Listed], columns: Collection[str] | None) -> list[Part]:
    """The files in their order, here or by tasks."""
    large = len(files) >= MANY_FILES or sum(file.path.stat().st_size for file in files) >= LARGE_BYTES
    if len(files) == 1 or not large:
        return [part(file, columns) for file in files]
    return _read_distributed(files, columns)


def _read_distributed(files: Sequence[Listed], columns: Collection[str] | None) -> list[Part]:
    """Tasks read neighbouring files on every node; only the wanted columns come together here."""
    import ray

    if not ray.is_initialized():
        ray.init(log_to_driver=False, logging_level="ERROR")  # RAY_ADDRESS says where, in a job
    each = -(-len(files) // _TASKS)
    reader = ray.remote(max_retries=1)(_read_some)
    tasks = [reader.remote(files[start : start + each], columns) for start in range(0, len(files), each)]
    try:
        return [one for parts in ray.get(tasks) for one in parts]
    except ray.exceptions.RayTaskError as error:
        raise (error.cause if isinstance(error.cause, BadTable) else error) from None


def _read_some(files: Sequence[Listed], columns: Collection[str] | None) -> list[Part]:
    return [part(file, columns) for file in files]
