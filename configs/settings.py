"""Where one Windvane lives and listens."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from configs.access import FIRST_KEY, LOOPBACK, Access

GRPC_OFFSET = 1000  # from the HTTP port, so that two Windvanes on one machine differ in both


class Settings(BaseModel):
    """Where this Windvane lives and listens; read once from the environment by `configs.load`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    home: str
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)] = 8000
    grpc_port: Annotated[int, Field(ge=1, le=65535, default_factory=lambda given: given["port"] + GRPC_OFFSET)]
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
    def is_local(self) -> bool:
        """Whether only programs on this machine are meant to reach it."""
        return self.host in LOOPBACK

    @property
    def key_file(self) -> Path:
        """Where the key lies that the command line shows."""
        return Path(self.key_path or Path(self.home) / FIRST_KEY)

    @property
    def ray_token_file(self) -> Path:
        """Where the token of Ray's dashboard and job API lies."""
        return Path(self.ray_token_path or Path(self.home) / "ray_token")

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
            "WINDVANE_MODELS": self.models_dir,
            "WINDVANE_ACCESS": self.access,
            "RAY_AUTH_TOKEN_PATH": str(self.ray_token_file),
        }
        chosen = {"WINDVANE_OVERLAY": self.overlay, "WINDVANE_TOKEN_ISSUER": self.issuer_file}
        return pairs | {name: value for name, value in chosen.items() if value}

    @property
    def artifacts(self) -> Path:
        """Where MLflow keeps bundles and reports when no server of its own does."""
        return Path(self.home) / "mlflow" / "artifacts"
