"""Takes out of a record what it says of a person, and encrypts it for its subject before anything is hashed.

The subject always; the features that are declared `personal`. Where a model has such features, its decisions are about
people, and then what else tells of them goes the same way: the caller's own context, the explanation, whose numbers are
made of the features, and the grounds, which name their values.
"""

import secrets
from collections.abc import Callable, Iterable, Sequence

import msgspec

from windvane.cluster.decision_log.grounds import Grounds
from windvane.cluster.decision_log.record import Decision, Value
from windvane.cluster.decision_log.vault.vault import Protected, Vault
from windvane.cluster.errors import Invalid
from windvane.configs.schema import Feature

# Begins what an endpoint of this process calls a subject that nobody named: there is nothing to keep of it. Drawn, so
# that no caller's subject begins so.
UNNAMED = f"\x1f{secrets.token_hex(16)}:"


class Personal(msgspec.Struct, frozen=True, array_like=True):
    """As it stood before it was encrypted; features by name, so that it is read without its segment's header."""

    subject: str
    features: dict[str, Value] = {}
    context: dict[str, Value] = {}
    explanation: tuple[float, ...] | None = None
    grounds: Grounds | None = None


_decode = msgspec.msgpack.Decoder(Personal).decode


class Protection:
    """Protects one model's decisions; belongs to the event loop, as its vault does."""

    def __init__(self, vault: Vault, features: Sequence[Feature]) -> None:
        self._vault = vault
        self._personal = [(place, feature.name) for place, feature in enumerate(features) if feature.personal]
        self._encode = msgspec.msgpack.Encoder().encode

    def protect_all(self, decisions: Sequence[Decision]) -> list[Decision]:
        """The decisions as they may be written; raises Unavailable when the vault does not answer, and Invalid."""
        if self._personal:
            return [self._kept(each, by) for each, by in self._protected(decisions, self._of_people)]
        named = [each for each in decisions if not each.subject.startswith(UNNAMED)]
        protected = (
            msgspec.structs.replace(each, subject=by.subject, personal=by.personal)
            for each, by in self._protected(named, self._of_things)
        )
        if len(named) == len(decisions):
            return list(protected)
        return [
            msgspec.structs.replace(each, subject=self._vault.hash(each.subject))
            if each.subject.startswith(UNNAMED)
            else next(protected)
            for each in decisions
        ]

    def _protected(
        self, decisions: Sequence[Decision], told: Callable[[Decision], Personal]
    ) -> Iterable[tuple[Decision, Protected]]:
        try:
            asked = [(each.subject, each.decision_id, self._encode(told(each))) for each in decisions]
        except (OverflowError, UnicodeEncodeError) as error:
            raise Invalid(f"a value of the record cannot be kept: {error}") from error
        return zip(decisions, self._vault.protect_all(asked), strict=True)

    def _of_things(self, decision: Decision) -> Personal:
        return Personal(decision.subject)

    def _of_people(self, decision: Decision) -> Personal:
        features = {name: decision.features[place] for place, name in self._personal}
        return Personal(decision.subject, features, decision.context, decision.explanation, decision.grounds)

    def _kept(self, decision: Decision, protected: Protected) -> Decision:
        features = list(decision.features)
        for place, _ in self._personal:
            features[place] = None
        return msgspec.structs.replace(
            decision,
            subject=protected.subject,
            features=tuple(features),
            context={},
            explanation=None,
            grounds=None,
            personal=protected.personal,
        )


def open_personal(content: bytes) -> Personal:
    """Personal fields; raises Invalid when a newer Windvane wrote them."""
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
