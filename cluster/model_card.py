"""Model card of one version: what it is for, made from, good at, for whom, and where it must not be used.

After M. Mitchell and others, *Model Cards for Model Reporting*, FAT* 2019. Written once, when a version is registered;
what happened to it afterwards is on record elsewhere.
"""

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from windvane.cluster.decoders import json_decoder


class Figure(msgspec.Struct, frozen=True):
    """A figure and its 95 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


class Use(msgspec.Struct, frozen=True):
    """A purpose that its decisions may be used for."""

    name: str
    description: str
    consent: bool


class TrainingRows(msgspec.Struct, frozen=True):
    """Rows that it learnt from and was judged on."""

    source: str
    digest: str
    learnt: int
    held_out: int
    positives: int  # of those held out
    newest: str  # ISO 8601; empty where rows have no time
    code: str
    environment: str


class GroupFigures(msgspec.Struct, frozen=True):
    """Figures on the held-out rows of one group; too few rows have neither shares nor metrics."""

    attribute: str
    value: str
    rows: int
    positives: int
    shares: Mapping[str, Figure]  # of each action
    metrics: Mapping[str, Figure]


class Card(msgspec.Struct, frozen=True):
    """One version's."""

    model: str
    description: str
    target: str
    unit: str
    owner: str
    made_at: str
    reason: str
    parent: int | None
    review_by: str
    purposes: tuple[Use, ...]
    features: tuple[str, ...]
    personal: tuple[str, ...]  # those of the features that tell something about a person
    audited: tuple[str, ...]  # kept out of the features, to compare groups by
    adverse: tuple[str, ...]  # actions that go against their subject
    rows: TrainingRows
    metrics: Mapping[str, Figure]
    groups: tuple[GroupFigures, ...]
    limits: tuple[str, ...]
    approvals: tuple[str, ...]  # who or what let it be registered


def read_card(content: bytes) -> Card:
    """Raises msgspec.DecodeError for anything that is no card."""
    return json_decoder(Card).decode(content)


def write_card(card: Card) -> bytes:
    """JSON, for people to read too."""
    return msgspec.json.format(msgspec.json.encode(card), indent=1)


def page(card: Card, number: int | None = None, since: Iterable[str] = ()) -> str:
    """The card in Markdown; `since` are sentences of what happened to the version after it was registered."""
    return "\n".join([*_about(card, number), *_evidence(card), *_record(card, since)])


def _about(card: Card, number: int | None) -> Iterator[str]:
    yield f"# {card.model}" + (f", version {number}" if number is not None else "")
    yield from ("", card.description) if card.description else ()
    yield from ("", "## Purpose")
    if not card.purposes:
        yield "No purpose is declared."
    for use in card.purposes:
        told = f": {use.description}" if use.description else ""
        yield f"- {use.name}{told} ({'with' if use.consent else 'without'} the subject's consent)"
    yield f"- It predicts whether {card.target} is true of one {card.unit}."
    if card.adverse:
        yield f"- Against its subject: {', '.join(card.adverse)}. Whoever meets it is told why."
    yield from ("", "## Owner", card.owner)
    yield from (f"To be looked at again by {card.review_by[:10]}.",) if card.review_by else ()
    yield from ("", "## Data")
    rows = card.rows
    until = f", the newest of {rows.newest[:10]}" if rows.newest else ""
    yield f"- {rows.learnt:,} rows of {rows.source}{until} (sha256 {rows.digest[:16]})"
    yield f"- judged on {rows.held_out:,} of them that were held out, {rows.positives:,} of them true"
    yield f"- {len(card.features)} features: {', '.join(card.features)}"
    yield f"- personal: {', '.join(card.personal) or 'none is declared'}"
    yield f"- kept out, to audit by: {', '.join(card.audited) or 'none is declared'}"
    yield f"- made {card.made_at[:19]} by {rows.code} on {rows.environment}"


def _evidence(card: Card) -> Iterator[str]:
    yield from ("", "## Metrics", "On the held-out rows, with 95 % intervals.", "")
    yield from ("| | |", "|---|---|")
    for name, figure in card.metrics.items():
        yield f"| {name.replace('_', ' ')} | {figure} |"
    if not card.groups:
        return
    actions = list(dict.fromkeys(name for group in card.groups for name in group.shares))
    metrics = list(dict.fromkeys(name for group in card.groups for name in group.metrics))
    yield from ("", "## Metrics by group", "")
    yield f"| group | rows | true | {' | '.join([*actions, *(name.replace('_', ' ') for name in metrics)])} |"
    yield "|---" * (3 + len(actions) + len(metrics)) + "|"
    for group in card.groups:
        found = [*(group.shares.get(name) for name in actions), *(group.metrics.get(name) for name in metrics)]
        cells = " | ".join("" if figure is None else str(figure) for figure in found)
        yield f"| {group.attribute}: {group.value} | {group.rows:,} | {group.positives:,} | {cells} |"


def _record(card: Card, since: Iterable[str]) -> Iterator[str]:
    yield from ("", "## Limits")
    yield from (f"- {limit}" for limit in card.limits)
    yield from ("", "## Approvals")
    yield from (f"- {sentence}" for sentence in (*card.approvals, *since))
