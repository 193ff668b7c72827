"""The key that traffic is counted by."""

import msgspec


class ArmKey(msgspec.Struct, frozen=True, gc=False):
    """A version in one of its roles under one revision of the split: as an arm, an override, a fallback or a shadow."""

    revision: int
    version: int
    arm: str
