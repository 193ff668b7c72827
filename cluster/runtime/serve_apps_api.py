"""The Serve applications of this Windvane, declared through the Ray dashboard: control, and one per deployed model."""

import time
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import httpx

from windvane.cluster.errors import Conflict, NotFound, Unavailable, WindvaneError
from windvane.cluster.runtime.dashboard import Dashboard, last_lines
from windvane.cluster.runtime.grpc_frontend import SERVICER, rays_port
from windvane.cluster.runtime.grpc_health import ADD_SERVICER
from windvane.cluster.storage.store_lock import PATIENCE_SECONDS, store_lock
from windvane.configs.schema import Settings
from windvane.configs.settings import namespace_of

CONTROL = "control"
PATH = "/api/serve/applications/"
POLL_SECONDS = 0.2  # each question costs the dashboard and Serve as much as it costs us
LINES = 6  # of what Serve says about a failure
LOCK = "applications"
Application: TypeAlias = dict[str, Any]  # as Serve's REST API has it


class ServeApplications:
    """Declared applications of one cluster; deploying names the whole set, so every call starts from what is there.

    Between its look and its declaration nobody else who shares the store declares anything: one that waits for its turn
    longer than the patience raises Unavailable. Another Windvane's applications are neither replaced nor taken down.
    """

    def __init__(
        self,
        dashboard_url: str,
        settings: Settings,
        transport: httpx.BaseTransport | None = None,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self._settings = settings
        self._patience_seconds = patience_seconds
        self._dashboard = Dashboard(dashboard_url, settings.ray_token_file, transport)

    def close(self) -> None:
        """Let go of the connections."""
        self._dashboard.close()

    def answers(self) -> bool:
        """Whether the dashboard is there; raises Forbidden when it does not take our token."""
        try:
            self._details()
        except Unavailable:
            return False
        return True

    def deploy_control(self) -> None:
        """Declare the control application; the same declaration twice changes nothing."""
        self.declare(
            CONTROL, "/", "windvane.serve_apps.control:build", {"settings": self._settings.model_dump(mode="json")}
        )

    def deploy_model(self, model: str, spec_digest: str) -> None:
        """Declare a model's Gateway; another digest rolls its replicas."""
        arguments = {
            "model": model,
            "settings": self._settings.model_dump(mode="json"),
            "spec_digest": spec_digest,
        }
        self.declare(model, f"/v2/models/{model}", "windvane.serve_apps.gateway:build", arguments)

    def declare(self, name: str, route: str, import_path: str, arguments: dict[str, Any]) -> None:
        """Declare one application, whatever its builder; another declaration under its name replaces it.

        Raises Conflict where another Windvane's has that name.
        """
        application = {"name": name, "route_prefix": route, "import_path": import_path, "args": arguments}
        self._change(lambda declared: [*self._without(name, declared), application])

    def remove(self, name: str) -> None:
        """Take one application down; raises Conflict where it is another Windvane's."""
        self._change(lambda declared: self._without(name, declared))

    def remove_all(self) -> None:
        """Take every application of ours down; others' stay."""
        ours = self._settings.ray_namespace
        self._change(lambda declared: [each for each in declared if _namespace(each) != ours])

    def wait_running(self, name: str, patience_seconds: float, progress: Callable[[str], None]) -> None:
        """Return when the application runs; raises with Serve's message when it failed or time is over."""
        deadline = time.monotonic() + patience_seconds
        while True:
            application = self._details().get(name)
            if application is None:
                raise NotFound(f"Serve knows no application {name!r}; deploy it again.")
            self._demand_no_others(application.get("deployed_app_config") or {})  # declared in the same moment as ours
            status, message = application.get("status"), _message(application)
            if status == "RUNNING":
                return
            if status == "DEPLOY_FAILED":
                raise WindvaneError(f"{name} could not be deployed: {last_lines(message, LINES)}")
            if time.monotonic() > deadline:
                raise Unavailable(
                    f"{name} is still {status} after {patience_seconds:.0f} s: {last_lines(message, LINES)}"
                )
            progress(f"{name}: {status}")
            time.sleep(POLL_SECONDS)

    def wait_gone(self, name: str, patience_seconds: float, progress: Callable[[str], None]) -> None:
        """Return when the application has answered who waited and its replicas have ended."""
        deadline = time.monotonic() + patience_seconds
        while application := self._details().get(name):
            if time.monotonic() > deadline:
                raise Unavailable(f"{name} is still {application.get('status')} after {patience_seconds:.0f} s.")
            progress(f"{name}: {application.get('status')}")
            time.sleep(POLL_SECONDS)

    def _without(self, name: str, declared: list[Application]) -> list[Application]:
        for each in declared:
            if each["name"] == name:
                self._demand_no_others(each)
        return [each for each in declared if each["name"] != name]

    def _demand_no_others(self, application: Application) -> None:
        if _namespace(application) not in (None, self._settings.ray_namespace):
            home = application["args"]["settings"]["home"]
            raise Conflict(
                f"{application['name']!r} on this Ray cluster belongs to the Windvane of {home}, and a cluster's Serve "
                "serves one Windvane at a time: take that one down, or attach to another cluster."
            )

    def _change(self, how: Callable[[list[Application]], list[Application]]) -> None:
        with store_lock(self._settings.store_url, LOCK, self._patience_seconds):
            self._put(how(self._declared()))

    def _declared(self) -> list[Application]:
        return [each["deployed_app_config"] for each in self._details().values() if each.get("deployed_app_config")]

    def details(self) -> dict[str, dict[str, Any]]:
        """Everything that Serve says of each application, by name."""
        return self._details()

    def _details(self) -> dict[str, dict[str, Any]]:
        found = self._dashboard.document(self._dashboard.ask("GET", PATH))
        applications: dict[str, dict[str, Any]] = found.get("applications", {})
        return applications

    def _put(self, applications: list[Application]) -> None:
        declared = {
            "proxy_location": "EveryNode",
            "http_options": {"host": self._settings.host, "port": self._settings.port},
            "grpc_options": {"port": rays_port(self._settings), "grpc_servicer_functions": [SERVICER, ADD_SERVICER]},
            "logging_config": {"enable_access_log": False},
            "applications": applications,
        }
        reply = self._dashboard.ask("PUT", PATH, declared)
        if reply.status_code != 200:
            raise Unavailable(f"Serve refused the applications: {reply.status_code} {last_lines(reply.text, LINES)}")


def _message(application: Mapping[str, Any]) -> str:
    """Messages of Serve on an application and its deployments: often only the latter say why."""
    deployments = application.get("deployments") or {}
    said = [application.get("message"), *(each.get("message") for each in deployments.values())]
    return "\n".join(dict.fromkeys(str(each) for each in said if each))


def _namespace(application: Application) -> str | None:
    """The Ray namespace of the Windvane whose application it is; None when it is no Windvane's."""
    if not str(application.get("import_path", "")).startswith("windvane.serve_apps."):
        return None
    return namespace_of(application["args"]["settings"]["store_url"])
