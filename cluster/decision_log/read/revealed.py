"""Labelled decisions for training: personal features decrypted, subjects by their hash, erased ones left out."""

import re
from collections.abc import Sequence
from typing import Protocol

import pyarrow as pa

from windvane.cluster.decision_log.read.columns import Table, typed
from windvane.cluster.decision_log.read.query import MESSAGE, NAME
from windvane.cluster.decision_log.vault.personal import open_personal
from windvane.cluster.decision_log.vault.vault import Vault
from windvane.configs.schema import Feature

_HASH = re.compile(r"^[0-9a-f]{32}$")


class Labelled(Protocol):
    """The log as it stands, with what is encrypted in the columns `NAME` and `MESSAGE`."""

    def training_rows(self, since: float | None, until: float | None, *, messages: bool) -> Table:
        """See `Query.training_rows`."""


class RevealedLog:
    """Rows that a version may learn from: one whose subject's key is destroyed is no row any more."""

    def __init__(self, log: Labelled, vault: Vault, features: Sequence[Feature]) -> None:
        self._log = log
        self._vault = vault
        self._personal = [feature for feature in features if feature.personal]

    def training_rows(self, since: float | None = None, until: float | None = None) -> Table:
        """Labelled decisions with event time in [since, until): features by plain name, label, event_time, subject."""
        found = self._log.training_rows(since, until, messages=True)
        named = list(zip(*(found[name].to_pylist() for name in ("subject", NAME, MESSAGE)), strict=True))
        protected = [place for place, (_, _, message) in enumerate(named) if message is not None]
        opened = dict(zip(protected, self._vault.reveal_all([named[place] for place in protected]), strict=True))
        erased = self._vault.erased()
        subjects: list[str] = []
        kept: list[int] = []
        contents: list[bytes | None] = []
        for place, (subject, _, _) in enumerate(named):
            hashed = subject if _HASH.match(subject) else self._vault.hash(subject)  # written before there was a vault
            if opened[place] is None if place in opened else hashed in erased:
                continue
            kept.append(place)
            subjects.append(hashed)
            contents.append(opened.get(place))
        rows = found.take(pa.array(kept, pa.int64())).drop_columns([NAME, MESSAGE])
        rows = rows.set_column(rows.column_names.index("subject"), "subject", pa.array(subjects, pa.string()))
        return self._filled(rows, contents) if self._personal else rows

    def _filled(self, rows: Table, contents: Sequence[bytes | None]) -> Table:
        told = [None if content is None else open_personal(content).features for content in contents]
        for feature in self._personal:
            column = rows[feature.name].to_pylist()
            values = [
                before if features is None else features.get(feature.name)
                for before, features in zip(column, told, strict=True)
            ]
            place = rows.column_names.index(feature.name)
            rows = rows.set_column(place, feature.name, typed(values, feature.type))
        return rows
