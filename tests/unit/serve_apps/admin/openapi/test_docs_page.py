"""The page for people says what the document says, and nothing that was declared becomes markup."""

import re
from html import unescape
from typing import Any

from tests.worlds.admin.world import AdminWorld, ControlClient
from tests.worlds.bundles import SPEC
from windvane.serve_apps.admin.openapi.docs_page import page
from windvane.serve_apps.admin.openapi.document import document

ADMIN: dict[str, Any] = {"paths": {}}


def test_every_operation_and_schema_is_on_the_page_and_every_link_leads_somewhere() -> None:
    told = document([SPEC], ControlClient().app.openapi())
    written = page(told)
    for path, methods in told["paths"].items():
        for method in methods:
            assert f"<h4>{method.upper()} {path}</h4>" in written
    places = set(re.findall(r'id="([^"]+)"', written))
    assert places == set(told["components"]["schemas"])
    assert set(re.findall(r'href="#([^"]+)"', written)) <= places


def test_who_may_ask_is_said_of_every_operation() -> None:
    written = page(document([SPEC], ControlClient(AdminWorld()).app.openapi()))
    assert "Control answers. · for anybody</p>" in written
    assert "Governed, logged and counted like `decide`. · for client or owner or admin</p>" in written


def test_nothing_that_was_declared_becomes_markup() -> None:
    wicked = "<script>alert('&')</script>"
    spec = SPEC.model_copy(update={"description": wicked, "unit": wicked})
    written = page(document([spec], ADMIN))
    assert "<script" not in written
    assert wicked in unescape(written)


def test_the_page_loads_nothing_from_elsewhere() -> None:
    found = ControlClient(AdminWorld()).get("/docs")
    assert found.headers["content-type"] == "text/html; charset=utf-8"
    assert found.headers["content-security-policy"].startswith("default-src 'none'")
    assert not re.search(r"(src|href)=.?(https?:|//)", found.text)
