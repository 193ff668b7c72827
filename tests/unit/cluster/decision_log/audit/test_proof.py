"""Proofs: one decision, shown to somebody who has nothing but the proof and the name of a key."""

from collections.abc import Callable
from math import ceil, log2
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.worlds.log.audit_world import KEY, World
from tests.worlds.log.decision_log import decision, skip_syncs
from windvane.cluster.decision_log.audit.checkpoint import Checkpoint, fingerprint, sign
from windvane.cluster.decision_log.audit.proof import Proof, check, prove, read
from windvane.cluster.decision_log.audit.verify import main
from windvane.cluster.errors import Invalid, NotFound, Unavailable

NAME = fingerprint(KEY.public_key())


@pytest.fixture(autouse=True)
def _unsynced(monkeypatch: pytest.MonkeyPatch) -> None:
    skip_syncs(monkeypatch)


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path)
    world.fill(2)
    world.seal()
    world.checkpoint()
    return world


def proof(world: World, name: str = "d1c") -> Proof:
    return prove(world.root, name, world.file, [KEY.public_key()])


@pytest.mark.parametrize("name", ["d0a", "d0b", "d0c", "d1a", "d1c"])
def test_every_decision_can_be_proven(world: World, name: str) -> None:
    found = proof(world, name)
    proven = check(read(msgspec.json.encode(found)), NAME)
    assert (proven.decision_id, proven.checkpoint, proven.fingerprint) == (name, 1, NAME)
    assert msgspec.msgpack.decode(found.record) == msgspec.msgpack.decode(msgspec.msgpack.encode(decision(name)))


def test_a_proof_grows_with_the_logarithm(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.write(*(decision(f"d{n}") for n in range(1000)))
    world.writer.roll(now=True)
    world.seal()
    world.checkpoint()
    found = proof(world, "d617")
    assert len(found.path) <= ceil(log2(1000))
    assert len(msgspec.json.encode(found)) < 2500


def with_record(found: Proof, **_: Any) -> Proof:
    return msgspec.structs.replace(found, record=found.record.replace(b"champion", b"attacker"))


def with_id(found: Proof) -> Proof:
    return msgspec.structs.replace(found, decision_id="d0a")


def with_position(found: Proof) -> Proof:
    return msgspec.structs.replace(found, position=found.position - 1)


def with_segment(found: Proof) -> Proof:
    return msgspec.structs.replace(found, segment=found.segment[:-1] + "7")


def with_count(found: Proof) -> Proof:
    return msgspec.structs.replace(found, records=found.records + 1)


def with_step(found: Proof) -> Proof:
    return msgspec.structs.replace(found, path=("00" * 32, *found.path[1:]))


def with_rubbish(found: Proof) -> Proof:
    return msgspec.structs.replace(found, path=("no hex", *found.path[1:]))


def with_signature(found: Proof) -> Proof:
    return msgspec.structs.replace(found, checkpoint=msgspec.structs.replace(found.checkpoint, signature="00" * 64))


def with_checkpoint(found: Proof) -> Proof:
    body = found.checkpoint.body.replace('"at":3.0', '"at":1.0')
    return msgspec.structs.replace(found, checkpoint=msgspec.structs.replace(found.checkpoint, body=body))


@pytest.mark.parametrize(
    ("tamper", "said"),
    [
        (with_record, "does not lead to the root"),
        (with_id, "is not decision d0a"),
        (with_position, "does not lead to the root"),
        (with_segment, "does not lead to the root"),
        (with_count, "does not lead to the root"),
        (with_step, "does not lead to the root"),
        (with_rubbish, "cannot be read"),
        (with_signature, "signature is not of its checkpoint"),
        (with_checkpoint, "signature is not of its checkpoint"),
    ],
)
def test_a_proof_that_was_changed_says_which_step_fails(
    world: World, tamper: Callable[[Proof], Proof], said: str
) -> None:
    with pytest.raises(Invalid, match=said):
        check(tamper(proof(world)), NAME)


def test_a_proof_signed_by_somebody_else_has_another_name(world: World) -> None:
    other = Ed25519PrivateKey.generate()
    found = proof(world)
    checkpoint = msgspec.json.decode(found.checkpoint.body, type=Checkpoint)
    forged = msgspec.structs.replace(
        found, checkpoint=sign(checkpoint, other), public_key=other.public_key().public_bytes_raw().hex()
    )
    assert check(forged).fingerprint != NAME
    with pytest.raises(Invalid, match="it is signed with key"):
        check(forged, NAME)


def test_what_cannot_be_proven_yet_says_so(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.fill(1)
    with pytest.raises(Unavailable, match="not sealed yet"):
        proof(world, "d0a")
    world.seal()
    with pytest.raises(Unavailable, match="no checkpoint vouches"):
        proof(world, "d0a")
    with pytest.raises(NotFound, match="has no decision d9"):
        proof(world, "d9")


def test_a_tampered_segment_proves_nothing(world: World) -> None:
    (name, *_) = sorted(path.stem for path in (world.root / "sealed" / "decisions").glob("*.parquet"))
    world.rewrite(
        "decisions",
        name,
        lambda rows: [rows[0] | {"record": rows[0]["record"] + b"x"}, *rows[1:]],  # type: ignore[operator]
    )
    with pytest.raises(Invalid, match="is not what its checkpoint vouches for"):
        proof(world, "d0b")


def test_the_command_says_it_in_one_line(world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "proof.json"
    file.write_bytes(msgspec.json.format(msgspec.json.encode(proof(world))))
    assert main([str(file), "--fingerprint", NAME]) == 0
    assert capsys.readouterr().out.startswith("Decision d1c is record 3 of flight-delay/")
    assert main([str(file), "--fingerprint", "00"]) == 1
    file.write_text("{}")
    assert main([str(file)]) == 1
    assert main([str(tmp_path / "nowhere.json")]) == 1
    assert "is no proof" in capsys.readouterr().err
