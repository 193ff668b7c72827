"""Checkpoints: replaced, dropped, moved, cut or signed by somebody else, each is found and named."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.worlds.log.audit_world import KEY, World
from tests.worlds.log.decision_log import skip_syncs
from windvane.cluster.decision_log.audit.checkpoint import (
    GENESIS,
    Checkpoint,
    Signed,
    Vouched,
    fingerprint,
    follow_all,
    hash_of,
    sign,
)
from windvane.cluster.decision_log.audit.checkpoints import Checkpoints
from windvane.cluster.errors import Conflict

OTHER = Ed25519PrivateKey.from_private_bytes(bytes(reversed(range(32))))


@pytest.fixture(autouse=True)
def _unsynced(monkeypatch: pytest.MonkeyPatch) -> None:
    skip_syncs(monkeypatch)


def vouched(records: int, head: str = "aa", root: str | None = None, segment: str = "w-0000000001") -> Vouched:
    return Vouched("flight-delay", segment, records, head, root)


def lines(*segments: Vouched, key: Ed25519PrivateKey = KEY) -> list[bytes]:
    """One checkpoint for each."""
    found: list[bytes] = []
    previous = GENESIS
    for number, segment in enumerate(segments, 1):
        signed = sign(Checkpoint(number, number + 0.5, fingerprint(key.public_key()), previous, (segment,)), key)
        previous = hash_of(signed)
        found.append(msgspec.json.encode(signed))
    return found


def faults(found: list[bytes]) -> list[tuple[str, str]]:
    return [(fault.kind, fault.place) for fault in follow_all(found, [KEY.public_key()])[1]]


GROWING = [vouched(n, f"{n:02x}") for n in range(1, 6)]


def test_all_of_them_together_say_what_stands() -> None:
    standing, found = follow_all(lines(*GROWING), [KEY.public_key()])
    assert found == []
    assert standing.number == 5
    assert standing.segments == {("flight-delay", "w-0000000001"): GROWING[-1]}


def dropped(found: list[bytes], at: int) -> list[bytes]:
    return found[:at] + found[at + 1 :]


def doubled(found: list[bytes], at: int) -> list[bytes]:
    return found[: at + 1] + found[at:]


def exchanged(found: list[bytes], at: int) -> list[bytes]:
    return [*found[:at], found[at + 1], found[at], *found[at + 2 :]]


def forged(found: list[bytes], at: int) -> list[bytes]:
    signed = msgspec.json.decode(found[at], type=Signed)
    changed = signed.body.replace('"records":', '"records":1')
    return [*found[:at], msgspec.json.encode(Signed(changed, signed.signature)), *found[at + 1 :]]


def signed_by_another(found: list[bytes], at: int) -> list[bytes]:
    return [*found[:at], lines(*GROWING, key=OTHER)[at], *found[at + 1 :]]


def under_a_borrowed_name(found: list[bytes], at: int) -> list[bytes]:
    signed = msgspec.json.decode(found[at], type=Signed)
    checkpoint = msgspec.json.decode(signed.body, type=Checkpoint)
    return [*found[:at], msgspec.json.encode(sign(checkpoint, OTHER)), *found[at + 1 :]]


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from([dropped, doubled, exchanged, forged, signed_by_another, under_a_borrowed_name]), st.integers(0, 3)
)
def test_whatever_is_done_to_one_it_is_named(tamper: Callable[[list[bytes], int], list[bytes]], at: int) -> None:
    found = faults(tamper(lines(*GROWING), at))
    kinds: dict[object, str] = {dropped: "missing", doubled: "reordered", exchanged: "missing"}
    number = at + 2 if tamper is doubled else at + 1
    assert found[0] == (kinds.get(tamper, "forged"), f"checkpoint {number}")


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 4), st.integers(0, 1 << 20), st.integers(1, 255))
def test_any_flipped_byte_is_found(at: int, place: int, mask: int) -> None:
    found = lines(*GROWING)
    line = bytearray(found[at])
    line[place % len(line)] ^= mask
    found[at] = bytes(line)
    upper = bytes(line).lower() == lines(*GROWING)[at].lower()  # hexadecimal says the same in capitals
    assert faults(found) != [] or upper


def test_one_made_anew_with_the_key_does_not_fit_its_neighbours() -> None:
    found = lines(*GROWING)
    found[2] = lines(*GROWING[:2], vouched(3, "ff"))[2]
    assert faults(found) == [("changed", "checkpoint 4")]


@pytest.mark.parametrize(
    ("after", "kind"),
    [(vouched(2, "bb"), "cut"), (vouched(3, "cc"), "changed"), (vouched(4, "dd", "77"), None)],
    ids=["fewer records", "another head", "sealed"],
)
def test_a_log_that_was_changed_and_vouched_for_since_contradicts_itself(after: Vouched, kind: str | None) -> None:
    expected = [] if kind is None else [(kind, "flight-delay/w-0000000001")]
    assert faults(lines(vouched(3, "aa"), after)) == expected


def test_a_root_never_changes() -> None:
    assert faults(lines(vouched(3, "aa", "11"), vouched(3, "aa", "22"))) == [("changed", "flight-delay/w-0000000001")]


def test_a_segment_that_comes_after_its_time_is_named() -> None:
    late = vouched(1, segment=f"w-{1:019d}")
    first = sign(Checkpoint(1, 1e6, fingerprint(KEY.public_key()), GENESIS, (vouched(1),)), KEY)
    second = sign(Checkpoint(2, 1e6, fingerprint(KEY.public_key()), hash_of(first), (late,)), KEY)
    assert faults([msgspec.json.encode(first), msgspec.json.encode(second)]) == [
        ("inserted", f"flight-delay/w-{1:019d}")
    ]


def test_the_second_place_follows_and_catches_up(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.checkpoint()
    assert world.copy.read_bytes() == world.file.read_bytes()
    world.copy.unlink()
    world.checkpoint()
    world.checkpoint()
    assert world.copy.read_bytes() == world.file.read_bytes()
    assert world.verify().checkpoints == 3


def test_a_second_place_that_is_away_stops_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "away").write_text("no folder")
    checkpoints = Checkpoints(tmp_path / "checkpoints.jsonl", KEY, tmp_path / "away" / "copy")
    assert checkpoints.append(1.0).number == 1
    assert "does not answer" in caplog.text


def test_checkpoints_cut_from_the_end_stand_in_the_second_place_still(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.fill(1)
    world.checkpoint()
    world.checkpoint()
    content = world.file.read_bytes()
    world.file.write_bytes(content[: content.index(b"\n") + 1])
    assert [(fault.kind, fault.place) for fault in world.verify().faults] == [("missing", "checkpoint 2")]
    with pytest.raises(Conflict, match="it was cut"):
        world.checkpoints.append(9.0)


def test_a_replaced_file_does_not_agree_with_the_second_place(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.checkpoint()
    world.file.unlink()
    fresh = Checkpoints(world.file, KEY, world.copy)
    with pytest.raises(Conflict, match="holds other checkpoints"):
        fresh.append(77.0)
    assert [(fault.kind, fault.place) for fault in world.verify().faults] == [("changed", "checkpoint 1")]


def test_half_a_line_that_a_kill_left_is_cut(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.checkpoint()
    with world.file.open("ab") as file:
        file.write(b'{"body":"half')
    assert Checkpoints(world.file, KEY).append(5.0).number == 2
    assert world.verify().faults == ()


def test_two_that_append_in_turn_make_one_chain(tmp_path: Path) -> None:
    one, other = (Checkpoints(tmp_path / "checkpoints.jsonl", KEY) for _ in range(2))
    numbers = [each.append(1.0).number for each in (one, other, other, one)]
    assert numbers == [1, 2, 3, 4]
    found = (tmp_path / "checkpoints.jsonl").read_bytes().splitlines()
    assert follow_all(found, [KEY.public_key()])[1] == []


def test_after_one_that_cannot_be_read_nothing_is_signed(tmp_path: Path) -> None:
    file = tmp_path / "checkpoints.jsonl"
    Checkpoints(file, KEY).append(1.0)
    file.write_bytes(file.read_bytes().replace(b"1.0", b"2.0"))
    with pytest.raises(Conflict, match="was changed"):
        Checkpoints(file, KEY).append(3.0)


def test_a_new_key_goes_on_where_the_former_ended(tmp_path: Path) -> None:
    file = tmp_path / "checkpoints.jsonl"
    Checkpoints(file, KEY).append(1.0)
    Checkpoints(file, OTHER, former=[KEY.public_key()]).append(2.0)
    standing, found = follow_all(file.read_bytes().splitlines(), [KEY.public_key(), OTHER.public_key()])
    assert (standing.number, found) == (2, [])
