"""Joins decisions, shadow scores and outcomes by decision id, in whatever order the log shows them, within bounds."""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from math import floor

from windvane.cluster.decision_log.record import Brief, BriefRecord, Decision, Outcome, Record, Shadow

WAITING = 200_000  # decisions that wait for an outcome, about 80 MB; the oldest make room and are counted
TAKEN_BACK = 2  # added to the label of a pair that is taken back
RECENT = 20_000  # labelled decisions that may still gain a late shadow score; and what came before its decision

# A decision as it waits: when answered, window, then (version, score) of the answer and of every shadow.
_Scores = tuple[tuple[int, float], ...]
_Entry = tuple[float, int, _Scores]


@dataclass(slots=True)
class Joined:
    """Facts that one reading of the log made known; every fact is told once."""

    scored: list[tuple[int, int]] = field(default_factory=list)  # version, window: one score of a decision
    labelled: list[tuple[int, int, float, bool]] = field(default_factory=list)  # version, window, score, label
    answered: list[tuple[int, float, bool]] = field(default_factory=list)  # window, score, label of what was answered
    pairs: list[tuple[int, int, float, float, float, int]] = field(default_factory=list)
    """Two versions (lower first), when answered, both scores, and the label: −1 not known, 0, 1; 2, 3 taken back."""
    # Window, scores, label that was corrected.
    taken_back: list[tuple[int, _Scores, bool]] = field(default_factory=list)
    decided: list[float] = field(default_factory=list)  # when decisions were answered
    told: list[tuple[float, float, bool]] = field(default_factory=list)  # when answered, when its outcome came, which


class Joins:
    """Everything that waits for its counterpart; the newest outcome of a decision counts, as it does in training.

    A correction is known for the newest 20,000 labelled decisions; of older ones the monitor keeps what it had.
    """

    def __init__(self, window_seconds: float, waiting: int = WAITING, recent: int = RECENT) -> None:
        self._window_seconds = window_seconds
        self._most_waiting = waiting
        self._most_recent = recent
        self._waiting: OrderedDict[str, _Entry] = OrderedDict()
        self._recent: OrderedDict[str, tuple[_Entry, bool]] = OrderedDict()
        self._early_labels: OrderedDict[str, tuple[bool, float]] = OrderedDict()
        self._early_scores: OrderedDict[str, _Scores] = OrderedDict()
        self.labelled = 0
        self.dropped = 0  # decisions that made room before their outcome came
        self.corrected = 0  # outcomes that took the place of an earlier one
        self.unmatched = 0  # outcomes whose decision never came
        self.unmatched_scores = 0  # scores of shadows whose decision never came, or had made room

    @property
    def unknown(self) -> int:
        """Outcomes that wait for their decision, or waited in vain: of ids never given out, most likely."""
        return self.unmatched + len(self._early_labels)

    @property
    def waiting(self) -> int:
        """Decisions without an outcome."""
        return len(self._waiting)

    def read(self, records: Iterable[Record | BriefRecord]) -> Joined:
        """Take the records in and say what they made known."""
        joined = Joined()
        for record in records:
            if isinstance(record, (Brief, Decision)):  # asked first: most are, and to tell that one is not takes longer
                self._decision(record, joined)
            elif isinstance(record, Outcome):
                if record.label is not None:
                    self._label(record.decision_id, record.label, record.at, joined)
            elif isinstance(record, Shadow):
                self._shadow(record, joined)
        return joined

    def _decision(self, decision: Decision | Brief, joined: Joined) -> None:
        key, score = decision.decision_id, decision.prediction
        if score is None or decision.is_denied or key in self._waiting or key in self._recent:
            return
        window = floor(decision.event_time / self._window_seconds)
        entry: _Entry = (decision.at, window, ((decision.version, score),))
        joined.scored.append((decision.version, window))
        joined.decided.append(decision.at)
        self._waiting[key] = entry
        if len(self._waiting) > self._most_waiting:
            self._waiting.popitem(last=False)
            self.dropped += 1
        if self._early_scores:
            for version, early in self._early_scores.pop(key, ()):
                self._score(key, version, early, joined)
        if self._early_labels:
            early_label = self._early_labels.pop(key, None)
            if early_label is not None:
                self._label(key, *early_label, joined)

    def _shadow(self, shadow: Shadow, joined: Joined) -> None:
        for key, score in zip(shadow.decision_ids, shadow.predictions, strict=True):
            self._score(key, shadow.version, score, joined)

    def _score(self, key: str, version: int, score: float, joined: Joined) -> None:
        label: bool | None = None
        entry = self._waiting.get(key)
        if entry is None:
            known = self._recent.get(key)
            if known is None:
                earlier = self._early_scores.get(key, ())
                if all(version != other for other, _ in earlier):
                    self._early_scores[key] = (*earlier, (version, score))
                while len(self._early_scores) > self._most_recent:
                    self.unmatched_scores += len(self._early_scores.popitem(last=False)[1])
                return
            entry, label = known
        at, window, scores = entry
        if any(version == other for other, _ in scores):
            return
        entry = (at, window, (*scores, (version, score)))
        joined.scored.append((version, window))
        for other, theirs in scores:
            joined.pairs.append(_pair(other, theirs, version, score, at, -1))
        if label is None:
            self._waiting[key] = entry
            return
        self._recent[key] = (entry, label)
        joined.labelled.append((version, window, score, label))
        for other, theirs in scores:
            joined.pairs.append(_pair(other, theirs, version, score, at, int(label)))

    def _label(self, key: str, label: bool, came: float, joined: Joined) -> None:
        entry = self._waiting.pop(key, None)
        if entry is None:
            if key in self._recent:
                self._correct(key, label, joined)
                return
            self._early_labels[key] = (label, came)
            while len(self._early_labels) > self._most_recent:
                self._early_labels.popitem(last=False)
                self.unmatched += 1
            return
        at, window, scores = entry
        self.labelled += 1
        self._recent[key] = (entry, label)
        while len(self._recent) > self._most_recent:
            self._recent.popitem(last=False)
        joined.answered.append((window, scores[0][1], label))
        joined.told.append((at, came, label))
        for place, (version, score) in enumerate(scores):
            joined.labelled.append((version, window, score, label))
            for other, theirs in scores[:place]:
                joined.pairs.append(_pair(other, theirs, version, score, at, int(label)))

    def _correct(self, key: str, label: bool, joined: Joined) -> None:
        """Take a label back and count the newer one, as training does; the same one again changes nothing."""
        (at, window, scores), before = self._recent[key]
        if before == label:
            return
        self.corrected += 1
        self._recent[key] = ((at, window, scores), label)
        joined.taken_back.append((window, scores, before))
        joined.answered.append((window, scores[0][1], label))
        for place, (version, score) in enumerate(scores):
            joined.labelled.append((version, window, score, label))
            for other, theirs in scores[:place]:
                joined.pairs.append(_pair(other, theirs, version, score, at, TAKEN_BACK + int(before)))
                joined.pairs.append(_pair(other, theirs, version, score, at, int(label)))


def _pair(
    one: int, one_score: float, two: int, two_score: float, at: float, label: int
) -> tuple[int, int, float, float, float, int]:
    if one > two:
        one, one_score, two, two_score = two, two_score, one, one_score
    return one, two, at, one_score, two_score, label
