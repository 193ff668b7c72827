"""What a decision says of a person: taken out of the record and encrypted for its subject, before anything is hashed.

The subject always; the features that are declared `personal`. Where a model has such features, its decisions are about
people, and then what else tells of them goes the same way: the caller's own context, the explanation, whose numbers are
made of the features, and the grounds, which name their values.
"""

from collections.abc import Sequence

import msgspec

from cluster.decision_log.grounds import Grounds
from cluster.decision_log.record import Decision, Value
from cluster.decision_log.vault import Vault
from cluster.errors import Invalid
from configs.schema import Feature


class Personal(msgspec.Struct, frozen=True, array_like=True):
    """As it stood before it was encrypted; features by name, so that it is read without its segment's header."""

    subject: str
    features: dict[str, Value] = {}
    context: dict[str, Value] = {}
    explanation: tuple[float, ...] | None = None
    grounds: Grounds | None = None


_decode = msgspec.msgpack.Decoder(Personal).decode


class Protection:
    """What one model's decisions go through; belongs to the event loop, as its vault does."""

    def __init__(self, vault: Vault, features: Sequence[Feature]) -> None:
        self._vault = vault
        self._personal = [(place, feature.name) for place, feature in enumerate(features) if feature.personal]
        self._encode = msgspec.msgpack.Encoder().encode

    def protect_all(self, decisions: Sequence[Decision]) -> list[Decision]:
        """The decisions as they may be written; raises Unavailable when the vault does not answer, and Invalid."""
        told = self._of_people if self._personal else self._of_things
        try:
            asked = [(each.subject, each.decision_id, self._encode(told(each))) for each in decisions]
        except (OverflowError, UnicodeEncodeError) as error:
            raise Invalid(f"a value of the record cannot be kept: {error}") from error
        replace, kept = msgspec.structs.replace, self._kept
        if not self._personal:
            return [
                replace(each, subject=protected.subject, personal=protected.personal)
                for each, protected in zip(decisions, self._vault.protect_all(asked), strict=True)
            ]
        return [
            replace(
                each,
                subject=protected.subject,
                features=kept(each.features),
                context={},
                explanation=None,
                grounds=None,
                personal=protected.personal,
            )
            for each, protected in zip(decisions, self._vault.protect_all(asked), strict=True)
        ]

    def _of_things(self, decision: Decision) -> Personal:
        return Personal(decision.subject)

    def _of_people(self, decision: Decision) -> Personal:
        features = {name: decision.features[place] for place, name in self._personal}
        return Personal(decision.subject, features, decision.context, decision.explanation, decision.grounds)

    def _kept(self, features: tuple[Value, ...]) -> tuple[Value, ...]:
        kept = list(features)
        for place, _ in self._personal:
            kept[place] = None
        return tuple(kept)


def open_personal(content: bytes) -> Personal:
    """What was encrypted; raises Invalid when a newer Windvane wrote it."""
    try:
        return _decode(content)
    except msgspec.DecodeError as error:
        raise Invalid(f"personal fields that this Windvane does not know: {error}; update it") from error


def restored(decision: Decision, personal: Personal, features: Sequence[str]) -> Decision:
    """The decision as it was before `Protection`; `features` names its row, as its segment's header does."""
    row = tuple(personal.features.get(name, value) for name, value in zip(features, decision.features, strict=False))
    return msgspec.structs.replace(
        decision,
        subject=personal.subject,
        features=row,
        context={**decision.context, **personal.context},
        explanation=decision.explanation if personal.explanation is None else personal.explanation,
        grounds=decision.grounds if personal.grounds is None else personal.grounds,
    )
