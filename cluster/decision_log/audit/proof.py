"""Proof of one decision for somebody who has nothing else: its record, the way to a root, and who signed that root."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pyarrow.parquet as pq
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from windvane.cluster.decision_log.audit.chain_heads import stored_records
from windvane.cluster.decision_log.audit.checkpoint import Checkpoint, Signed, Vouched, fingerprint, is_signed
from windvane.cluster.decision_log.audit.checkpoints import lines_of
from windvane.cluster.decision_log.audit.fault import decision_of
from windvane.cluster.decision_log.read import merkle
from windvane.cluster.decision_log.write.segment import live_names, live_path, read_header, scan, sealed_path
from windvane.cluster.decoders import json_decoder
from windvane.cluster.errors import Invalid, NotFound, Unavailable


class Proof(msgspec.Struct, frozen=True):
    """Everything that is needed to check it: bytes in base64, hashes and the key in hexadecimal."""

    decision_id: str
    record: bytes  # as it was written, msgpack
    log: str
    segment: str
    position: int
    records: int  # of the segment
    path: tuple[str, ...]
    checkpoint: Signed
    public_key: str
    format: int = 1


@dataclass(frozen=True, slots=True)
class Proven:
    """Facts that a proof shows; `fingerprint` names the key that must be known from elsewhere."""

    decision_id: str
    log: str
    segment: str
    position: int
    checkpoint: int
    at: float
    fingerprint: str

    def __str__(self) -> str:
        when = datetime.fromtimestamp(self.at, UTC).isoformat(timespec="seconds")
        return (
            f"Decision {self.decision_id} is record {self.position} of {self.log}/{self.segment}, unchanged since "
            f"checkpoint {self.checkpoint} of {when}, signed with key {self.fingerprint}"
        )


def prove(root: Path, decision_id: str, checkpoints: Path, keys: Sequence[Ed25519PublicKey]) -> Proof:
    """The proof of a decision in the log under `root`.

    `keys` are those that may have signed. Raises NotFound when the log has no such decision, Unavailable while no
    checkpoint vouches for its segment, and Invalid when its segment or its checkpoint is not what was written.
    """
    name, position = _find(root, decision_id)
    records = stored_records(root, name)
    leaves = merkle.leaves(records)
    signed = _vouching(checkpoints, root.name, name, merkle.root(leaves).hex())
    path = tuple(step.hex() for step in merkle.path(leaves, position))
    public = next((key.public_bytes_raw().hex() for key in keys if is_signed(signed, key)), None)
    if public is None:
        raise Invalid(
            f"none of the known keys signed the checkpoint of {root.name}/{name}: run `windvane audit verify`"
        )
    return Proof(decision_id, records[position], root.name, name, position, len(records), path, signed, public)


def read(content: bytes) -> Proof:
    """A proof from its JSON; Invalid when it is none."""
    try:
        return json_decoder(Proof).decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Invalid(f"is no proof: {error}") from error


def check(proof: Proof, known_fingerprint: str | None = None) -> Proven:
    """Checks the proof; raises Invalid with the step that does not hold."""
    if proof.format != 1:
        raise Invalid(f"is a proof of format {proof.format}, this Windvane reads 1: update it")
    if decision_of(proof.record) != proof.decision_id:
        raise Invalid(f"its record is not decision {proof.decision_id}")
    try:
        public = bytes.fromhex(proof.public_key)
        path = [bytes.fromhex(step) for step in proof.path]
        key = Ed25519PublicKey.from_public_bytes(public)
        checkpoint = json_decoder(Checkpoint).decode(proof.checkpoint.body)
    except (ValueError, msgspec.DecodeError) as error:
        raise Invalid(f"cannot be read: {error}") from error
    root = merkle.climb(merkle.leaf(proof.record), proof.position, proof.records, path)
    if not any(
        root is not None and vouched.root == root.hex()
        for vouched in checkpoint.segments
        if (vouched.log, vouched.segment, vouched.records) == (proof.log, proof.segment, proof.records)
    ):
        raise Invalid("its record does not lead to the root in its checkpoint: one of both was changed")
    if not is_signed(proof.checkpoint, key):
        raise Invalid("the signature is not of its checkpoint")
    name = fingerprint(key)
    if known_fingerprint is not None and name != known_fingerprint.strip().lower():
        raise Invalid(f"it is signed with key {name}, not with {known_fingerprint}")
    place = (proof.decision_id, proof.log, proof.segment, proof.position)
    return Proven(*place, checkpoint.number, checkpoint.at, name)


def _find(root: Path, decision_id: str) -> tuple[str, int]:
    """The segment and the position of the decision's first record."""
    for path in sorted(sealed_path(root, "decisions", "").parent.glob("[!.]*.parquet")):
        found = pq.read_table(path, columns=["position"], filters=[("decision_id", "==", decision_id)])
        if found.num_rows:
            return path.stem, found["position"][0].as_py()
    if any(decision_of(payload) == decision_id for payload in _live(root)):
        raise Unavailable(f"decision {decision_id} is not sealed yet: ask again in a few minutes", 60.0)
    raise NotFound(f"the log of {root.name} has no decision {decision_id}: check the id, and whether its time was over")


def _live(root: Path) -> Iterator[bytes]:
    for name in live_names(root):
        try:
            content = live_path(root, name).read_bytes()
        except FileNotFoundError:  # sealed since: found there when it is asked for again
            continue
        header = read_header(content, name)
        if header is not None:
            yield from scan(content, header[1])[0]


def _vouching(checkpoints: Path, log: str, name: str, root: str) -> Signed:
    """The first checkpoint that names the segment's root."""
    known: Vouched | None = None
    for line, whole in lines_of(checkpoints):
        if not whole or name.encode() not in line:
            continue
        signed = json_decoder(Signed).decode(line)
        for vouched in json_decoder(Checkpoint).decode(signed.body).segments:
            if (vouched.log, vouched.segment) == (log, name) and vouched.root is not None:
                if vouched.root == root:
                    return signed
                known = vouched
    if known is not None:
        raise Invalid(f"{log}/{name} is not what its checkpoint vouches for: run `windvane audit verify`")
    raise Unavailable(f"no checkpoint vouches for {log}/{name} yet: ask again in a minute", 60.0)
