"""Access: the roles, whether a key is asked for, and the issuers whose tokens are taken beside keys."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, TypeAlias, get_args
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator

from windvane.configs.quantities import Count, Duration, Figure

Access: TypeAlias = Literal["keys", "open"]
Role: TypeAlias = Literal["client", "owner", "operator", "compliance", "admin"]
# Signatures that only the issuer can make: with HS256 whoever can check a token can forge one, and `none` is none.
Algorithm: TypeAlias = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]

ROLES: tuple[Role, ...] = get_args(Role)
FIRST_KEY = "admin.key"  # the file in WINDVANE_HOME
LOOPBACK = ("127.0.0.1", "localhost", "::1")
LARGEST_SKEW = timedelta(minutes=5)
FASTEST = 1e6  # requests a second that a limit may name
_Text = Annotated[str, Field(min_length=1, max_length=2000)]


class _Said(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Claims(_Said):
    """Claims that say who calls: each a name, or a JSON pointer such as `/realm_access/roles`."""

    name: _Text = "sub"
    roles: _Text = "roles"  # a list of texts, or one text with blanks between them, as `scope` is
    models: _Text | None = None  # unset: every model; set, and missing in a token: none


class TokenIssuer(_Said):
    """Whose JWT bearer tokens are taken, and what their claims mean here."""

    issuer: _Text  # compared with `iss` to the letter
    audience: _Text  # must be in `aud`
    keys: _Text  # its public keys (JWKS): an https URL, or a file beside this one
    algorithms: Annotated[tuple[Algorithm, ...], Field(min_length=1)] = ("RS256",)
    clock_skew: Annotated[Duration, Field(le=LARGEST_SKEW)] = timedelta(seconds=30)
    claims: Claims = Claims()
    # what a role is called there, and what it is here; without this an `admin` of something else would be one here
    roles: Annotated[dict[_Text, Role], Field(min_length=1)]
    requests_per_second: Annotated[Figure, Field(gt=0, le=FASTEST)] | None = None  # of each caller; unset: no limit
    burst: Annotated[Count, Field(le=FASTEST)] = 100  # requests that a caller may send at once after a rest

    @property
    def keys_are_fetched(self) -> bool:
        """Whether the public keys lie at a URL, not in a file."""
        return "://" in self.keys

    def beside(self, folder: Path) -> "TokenIssuer":
        """The same, its keys' file counted from that folder, so that every process finds it."""
        if self.keys_are_fetched:
            return self
        return self.model_copy(update={"keys": str((folder.absolute() / self.keys).resolve())})

    @field_validator("keys")
    @classmethod
    def _not_on_the_way(cls, keys: str) -> str:
        if "://" not in keys:
            return keys
        parts = urlsplit(keys)
        if parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK):
            return keys
        raise ValueError(f"{keys!r} can be changed on the way, and with it whose tokens are taken; give an https URL")
