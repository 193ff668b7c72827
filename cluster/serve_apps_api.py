"""The Serve applications of this Windvane, declared through the Ray dashboard: control, and one per deployed model."""

import time
from collections.abc import Callable
from typing import Any

import httpx

from cluster.access import bearer
from cluster.errors import Forbidden, NotFound, Unavailable, WindvaneError
from configs.schema import Settings

CONTROL = "control"
POLL_SECONDS = 0.25


class ServeApplications:
    """Declared applications of one cluster; deploying names the whole set, so every call starts from what is there."""

    def __init__(self, dashboard_url: str, settings: Settings) -> None:
        self._url = dashboard_url
        self._settings = settings
        headers = bearer(settings.ray_token_file)
        self._http = httpx.Client(base_url=dashboard_url, headers=headers, timeout=60.0, trust_env=False)

    def answers(self) -> bool:
        """Whether the dashboard is there; raises Forbidden when it does not take our token."""
        try:
            self._details()
        except Unavailable:
            return False
        return True

    def deploy_control(self) -> None:
        """Declare the control application; the same declaration twice changes nothing."""
        self._declare(CONTROL, "/", "serve_apps.control:build", {"settings": self._settings.model_dump(mode="json")})

    def deploy_model(self, model: str, spec_digest: str) -> None:
        """Declare a model's Gateway; another digest rolls its replicas."""
        arguments = {
            "model": model,
            "settings": self._settings.model_dump(mode="json"),
            "spec_digest": spec_digest,
        }
        self._declare(model, f"/v2/models/{model}", "serve_apps.gateway:build", arguments)

    def remove(self, name: str) -> None:
        """Take one application down."""
        kept = [application for application in self._declared() if application["name"] != name]
        self._put(kept)

    def remove_all(self) -> None:
        """Take every application of ours down; others' stay."""
        self._put([application for application in self._declared() if not _is_ours(application)])

    def names(self) -> tuple[str, ...]:
        """Applications of ours that are declared."""
        return tuple(str(application["name"]) for application in self._declared() if _is_ours(application))

    def statuses(self) -> dict[str, str]:
        """Serve's own word for each application: RUNNING, DEPLOYING, UNHEALTHY …"""
        return {name: str(each.get("status")) for name, each in self._details().items()}

    def wait_running(self, name: str, patience_seconds: float, progress: Callable[[str], None]) -> None:
        """Return when the application runs; raises with Serve's message when it failed or time is over."""
        deadline = time.monotonic() + patience_seconds
        while True:
            application = self._details().get(name)
            if application is None:
                raise NotFound(f"Serve knows no application {name!r}; deploy it again.")
            status, message = application.get("status"), str(application.get("message") or "")
            if status == "RUNNING":
                return
            if status == "DEPLOY_FAILED":
                raise WindvaneError(f"{name} could not be deployed: {_last_lines(message)}")
            if time.monotonic() > deadline:
                raise Unavailable(f"{name} is still {status} after {patience_seconds:.0f} s: {_last_lines(message)}")
            progress(f"{name}: {status}")
            time.sleep(POLL_SECONDS)

    def _declare(self, name: str, route: str, import_path: str, arguments: dict[str, Any]) -> None:
        others = [application for application in self._declared() if application["name"] != name]
        application = {"name": name, "route_prefix": route, "import_path": import_path, "args": arguments}
        self._put([*others, application])

    def _declared(self) -> list[dict[str, Any]]:
        return [each["deployed_app_config"] for each in self._details().values() if each.get("deployed_app_config")]

    def _details(self) -> dict[str, dict[str, Any]]:
        applications: dict[str, dict[str, Any]] = self._call("GET").json().get("applications", {})
        return applications

    def _put(self, applications: list[dict[str, Any]]) -> None:
        self._call(
            "PUT",
            json={
                "proxy_location": "EveryNode",
                "http_options": {"host": self._settings.host, "port": self._settings.port},
                "logging_config": {"enable_access_log": False},
                "applications": applications,
            },
        )

    def _call(self, method: str, **options: Any) -> httpx.Response:
        try:
            reply = self._http.request(method, "/api/serve/applications/", **options)
        except httpx.HTTPError as error:
            raise Unavailable(f"The Ray dashboard at {self._url} does not answer: {error}") from error
        if reply.status_code in (401, 403):
            raise Forbidden(
                f"The Ray dashboard at {self._url} does not take the token in {self._settings.ray_token_file}; "
                "name the right file with RAY_AUTH_TOKEN_PATH."
            )
        if reply.status_code != 200:
            raise Unavailable(f"Serve answered {reply.status_code}: {_last_lines(reply.text)}")
        return reply


def _is_ours(application: dict[str, Any]) -> bool:
    return str(application.get("import_path", "")).startswith("serve_apps.")


def _last_lines(text: str, lines: int = 6) -> str:
    return "\n".join(text.strip().splitlines()[-lines:])
