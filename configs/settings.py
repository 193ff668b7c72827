"""Settings of one Windvane: where it lives and listens."""

import hashlib
import os
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from windvane.configs.access import FIRST_KEY, LOOPBACK, Access

USERS_FOLDER = "WINDVANE_USERS_FOLDER"  # a variable: where `windvane` was called, and the user's own files may lie
PACKAGED_MODELS = Path(__file__).resolve().parent / "models"
GRPC_OFFSET = 1000  # from the HTTP port, so that two Windvanes on one machine differ in both


def namespace_of(store_url: str) -> str:
    """The Ray namespace of the Windvane with this store: whoever shares the store shares actors, and nobody else.

    >>> namespace_of("postgresql://ada:old@db/wv") == namespace_of("postgresql://bob:new@db/wv")
    True
    >>> namespace_of("sqlite:////srv/a/windvane.db") == namespace_of("sqlite:////srv/b/windvane.db")
    False
    """
    scheme, _, place = store_url.partition("://")
    place = os.path.realpath(place[1:]) if scheme.startswith("sqlite") else place.rpartition("@")[2]
    return f"windvane-{hashlib.sha256(place.encode()).hexdigest()[:10]}"


class Settings(BaseModel):
    """Home and addresses of this Windvane; read once from the environment by `windvane.configs.load`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    home: str
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)] = 8000
    grpc_port: Annotated[int, Field(ge=1, le=65535)] = Field(default_factory=lambda given: given["port"] + GRPC_OFFSET)
    dashboard_port: Annotated[int, Field(ge=1, le=65535)] = 8265
    ray_address: str | None = None  # an existing cluster to attach to; None starts one
    store_url: str
    mlflow_uri: str
    models_dir: str
    overlay: str | None = None
    access: Access = "keys"  # open: who sends no key may decide all the same, on loopback only
    issuer_file: str | None = None  # a YAML that says whose JWT bearer tokens are taken beside keys
    key_path: str = Field("", exclude=True)  # what the command line shows, for itself alone; empty: home/admin.key
    ray_token_path: str = ""  # the token of Ray's dashboard and job API; empty: home/ray_token
    signing_key_path: str = ""  # what checkpoints of the log are signed with; empty: home/keys/signing.pem
    former_keys: tuple[str, ...] = ()  # files of the public keys that signed before that one
    checkpoint_copy: str | None = None  # a second place for checkpoints, which who can write here cannot change
    master_key_path: str = ""  # what subjects' keys are wrapped with; empty: home/keys/master.key

    @field_validator("access")
    @classmethod
    def _open_to_this_machine_only(cls, access: Access, given: ValidationInfo) -> Access:
        if access == "open":
            if given.data.get("host", "") not in LOOPBACK:
                raise ValueError(
                    "'open' lets everybody decide who reaches WINDVANE_HOST: leave that at 127.0.0.1, or take 'keys'"
                )
            if given.data.get("ray_address"):
                raise ValueError(
                    "'open' is for a cluster of Windvane's own on this machine: unset RAY_ADDRESS, or take 'keys'"
                )
        return access

    @property
    def ray_namespace(self) -> str:
        """The Ray namespace of its actors."""
        return namespace_of(self.store_url)

    @property
    def is_local(self) -> bool:
        """Whether only programs on this machine are meant to reach it."""
        return self.host in LOOPBACK

    @property
    def key_file(self) -> Path:
        """Path of the key that the command line shows."""
        return Path(self.key_path or Path(self.home) / FIRST_KEY)

    @property
    def ray_token_file(self) -> Path:
        """Path of the token of Ray's dashboard and job API."""
        return Path(self.ray_token_path or Path(self.home) / "ray_token")

    @property
    def log(self) -> Path:
        """Path of the decision logs, a folder for each model and one for control."""
        return Path(self.home) / "log"

    @property
    def signing_key_file(self) -> Path:
        """Path of the key that checkpoints are signed with."""
        return Path(self.signing_key_path or Path(self.home) / "keys" / "signing.pem")

    @property
    def master_key_file(self) -> Path:
        """Path of the key that subjects' keys are wrapped with."""
        return Path(self.master_key_path or Path(self.home) / "keys" / "master.key")

    def environment(self) -> dict[str, Any]:
        """The variables that make another process read the same settings."""
        pairs = {
            "WINDVANE_HOME": self.home,
            "WINDVANE_HOST": self.host,
            "WINDVANE_PORT": str(self.port),
            "WINDVANE_GRPC_PORT": str(self.grpc_port),
            "WINDVANE_DASHBOARD_PORT": str(self.dashboard_port),
            "WINDVANE_STORE": self.store_url,
            "WINDVANE_MLFLOW": self.mlflow_uri,
            "WINDVANE_ACCESS": self.access,
            "WINDVANE_SIGNING_KEY": str(self.signing_key_file),
            "WINDVANE_MASTER_KEY": str(self.master_key_file),
            "RAY_AUTH_TOKEN_PATH": str(self.ray_token_file),
        }
        chosen = {
            # a folder of the user's own may come to be while others run: whoever looks then finds it
            "WINDVANE_MODELS": None if Path(self.models_dir) == PACKAGED_MODELS else self.models_dir,
            "WINDVANE_OVERLAY": self.overlay,
            "WINDVANE_TOKEN_ISSUER": self.issuer_file,
            "WINDVANE_CHECKPOINT_COPY": self.checkpoint_copy,
            "WINDVANE_FORMER_KEYS": os.pathsep.join(self.former_keys),
        }
        return pairs | {name: value for name, value in chosen.items() if value}

    @property
    def artifacts(self) -> Path:
        """Folder of MLflow's bundles and reports when no server of its own keeps them."""
        return Path(self.home) / "mlflow" / "artifacts"
