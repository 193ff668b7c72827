"""A declaration becomes the mandate that policies see."""

from tests.worlds.bundles import SPEC
from windvane.backtest.memory import MemoryStore
from windvane.cluster.policies.mandate import digest_of, keep_mandate, kept_mandate, mandate_of
from windvane.cluster.policies.policy import Mandate
from windvane.configs.schema import Action, DecisionRule, ModelSpec, Purpose


def declared(**changed: object) -> ModelSpec:
    return SPEC.model_copy(update=changed)


def test_a_declaration_becomes_a_mandate() -> None:
    purposes = (Purpose(name="lending"), Purpose(name="audit", consent=False))
    actions = (
        Action(name="approve", at_least=0.0),
        Action(name="offer", at_least=0.3, manual=True),
        Action(name="decline", at_least=0.6, adverse=True),
    )
    rule = DecisionRule(actions=actions, refer_from=0.9)
    assert mandate_of(declared(name="credit", purposes=purposes, decision=rule)) == Mandate(
        "credit",
        frozenset({"lending", "audit"}),
        frozenset({"lending"}),
        frozenset({"approve", "offer", "decline"}),
        frozenset({"decline"}),
        frozenset({"offer"}),
        900_000,
    )


def test_a_model_that_declares_none_of_it_has_actions_and_no_more() -> None:
    plain = mandate_of(SPEC)
    assert (plain.purposes, plain.manual, plain.adverse, plain.refer_from_ppm) == (
        frozenset(),
        frozenset(),
        frozenset(),
        None,
    )
    assert plain.actions == {action.name for action in SPEC.decision.actions}


def test_a_mandate_is_kept_under_its_digest_once() -> None:
    store, mandate = MemoryStore(), mandate_of(SPEC)
    digest = keep_mandate(store, mandate)
    assert (keep_mandate(store, mandate), kept_mandate(store, digest)) == (digest, mandate)
    assert kept_mandate(store, "0" * 32) is None


def test_another_mandate_has_another_digest() -> None:
    names = [f"purpose-{number}" for number in range(20)]
    one, same = (Mandate("a", purposes=frozenset(order)) for order in (names, reversed(names)))
    assert digest_of(one) == digest_of(same) != digest_of(Mandate("a", purposes=frozenset(names[1:])))
