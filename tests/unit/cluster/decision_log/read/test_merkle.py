"""Merkle trees: the roots of RFC 6962's tree, and proofs that hold for one record in one place only."""

from hashlib import sha256
from math import ceil, log2

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windvane.cluster.decision_log.read.merkle import climb, leaf, leaves, path, root

RECORDS = st.lists(st.binary(max_size=8), min_size=1, max_size=40)
# Inputs and roots of the test vectors that the Certificate Transparency log implementations share
# (https://github.com/google/certificate-transparency/blob/master/cpp/merkletree/merkle_tree_test.cc).
INPUTS = [bytes.fromhex(text) for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657")]
INPUTS.append(bytes.fromhex("606162636465666768696a6b6c6d6e6f"))
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def by_definition(found: list[bytes]) -> bytes:
    """RFC 6962 section 2.1, word for word."""
    if len(found) == 1:
        return sha256(b"\x00" + found[0]).digest()
    split = 1
    while split * 2 < len(found):
        split *= 2
    return sha256(b"\x01" + by_definition(found[:split]) + by_definition(found[split:])).digest()


@pytest.mark.parametrize("count", range(1, 9))
def test_the_roots_are_those_of_certificate_transparency(count: int) -> None:
    assert root(leaves(INPUTS[:count])).hex() == ROOTS[count - 1]


@settings(max_examples=60, deadline=None)
@given(RECORDS)
def test_the_root_is_the_definition_s(records: list[bytes]) -> None:
    assert root(leaves(records)) == by_definition(records)


@settings(max_examples=100, deadline=None)
@given(RECORDS, st.data())
def test_a_proof_leads_to_the_root_from_its_place_and_from_no_other(records: list[bytes], draw: st.DataObject) -> None:
    index = draw.draw(st.integers(0, len(records) - 1))
    other = draw.draw(st.integers(-1, len(records)))
    found = leaves(records)
    proof = path(found, index)
    assert len(proof) <= ceil(log2(len(records)))
    assert climb(found[index], index, len(records), proof) == root(found)
    assert climb(leaf(b"never written, that is"), index, len(records), proof) != root(found)
    if not 0 <= other < len(records):
        assert climb(found[index], other, len(records), proof) is None
    elif found[other] != found[index] and found[other ^ 1 : (other ^ 1) + 1] != found[index ^ 1 : (index ^ 1) + 1]:
        assert climb(found[index], other, len(records), proof) != root(found)


@settings(max_examples=60, deadline=None)
@given(RECORDS, st.data())
def test_a_path_that_is_longer_or_shorter_is_none(records: list[bytes], draw: st.DataObject) -> None:
    index = draw.draw(st.integers(0, len(records) - 1))
    found = leaves(records)
    proof = path(found, index)
    assert climb(found[index], index, len(records), (*proof, bytes(32))) is None
    if proof:
        assert climb(found[index], index, len(records), proof[:-1]) is None


def test_there_is_no_path_from_beyond_the_leaves() -> None:
    with pytest.raises(IndexError):
        path(leaves(INPUTS), 8)
