"""Finds the addresses of a Windvane from its settings and the record of its head: imports nothing heavy for it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from windvane.cluster.errors import Unavailable
from windvane.cluster.runtime import head_record
from windvane.configs.settings import Settings


@dataclass(frozen=True, slots=True)
class Addresses:
    """Addresses of a running Windvane."""

    decisions: str
    grpc: str
    console: str
    dashboard: str
    mlflow_command: str
    started_ray: bool


def dashboard_url(settings: Settings) -> str | None:
    """The dashboard of the cluster we use: the attached one, or our own head; None when there is neither."""
    if settings.ray_address:
        address = settings.ray_address
        return address if address.startswith("http") else f"http://127.0.0.1:{settings.dashboard_port}"
    head = head_record.load(Path(settings.home))
    return head.dashboard_url if head else None


def demand_dashboard(settings: Settings) -> str:
    """The dashboard's URL; raises Unavailable when nothing is up."""
    dashboard = dashboard_url(settings)
    if dashboard is None:
        raise Unavailable(f"No Windvane is running with home {settings.home}: start it with `windvane up`.")
    return dashboard


def url(settings: Settings) -> str:
    """URL of decisions and the control API for HTTP clients."""
    return f"http://{_reachable(settings)}:{settings.port}"


def place(settings: Settings, dashboard: str, started: bool) -> Addresses:
    """The addresses to print."""
    return Addresses(
        decisions=f"{url(settings)}/v2/models/<model>/decide",
        grpc=f"{_reachable(settings)}:{settings.grpc_port}",
        console=f"{url(settings)}/console",
        dashboard=dashboard,
        mlflow_command=f"mlflow ui --backend-store-uri {settings.mlflow_uri}",
        started_ray=started,
    )


def no_proxy(variables: Mapping[str, str]) -> dict[str, str]:
    """Variables to keep requests to this machine off a proxy, if one is set; both spellings are in use.

    >>> no_proxy({"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": "example.org"})["no_proxy"]
    'example.org,127.0.0.1,localhost'
    >>> no_proxy({"PATH": "/bin"})
    {}
    """
    if not any(name.lower() in ("http_proxy", "https_proxy", "all_proxy") and variables[name] for name in variables):
        return {}
    kept = variables.get("no_proxy") or variables.get("NO_PROXY")
    hosts = ",".join(filter(None, (kept, "127.0.0.1", "localhost")))
    return {"no_proxy": hosts, "NO_PROXY": hosts}


def _reachable(settings: Settings) -> str:
    """The host that clients on this machine name."""
    host = "127.0.0.1" if settings.host in ("0.0.0.0", "::") else settings.host  # noqa: S104  compared, not bound
    return f"[{host}]" if ":" in host else host
