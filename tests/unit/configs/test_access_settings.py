"""Open access is for this machine only, and all that is wrong with an issuer's YAML is named."""

import re
from pathlib import Path

import pytest

from windvane.configs.access import Claims, TokenIssuer
from windvane.configs.complaint import BadDeclaration
from windvane.configs.load import load_issuer, load_settings

GOOD = """\
issuer: https://login.example.org/
audience: windvane
keys: https://login.example.org/jwks.json
roles: {ml-clients: client}
"""


def complaints_of(environment: dict[str, str]) -> list[str]:
    with pytest.raises(BadDeclaration) as refused:
        load_settings(environment)
    return [str(complaint) for complaint in refused.value.complaints]


def issuer_of(folder: Path, text: str) -> TokenIssuer | None:
    (folder / "issuer.yaml").write_text(text)
    return load_issuer(load_settings({"WINDVANE_TOKEN_ISSUER": str(folder / "issuer.yaml")}))


def issuer_complaints(folder: Path, text: str) -> list[str]:
    with pytest.raises(BadDeclaration) as refused:
        issuer_of(folder, text)
    return [str(complaint).removeprefix(f"{folder}/") for complaint in refused.value.complaints]


def test_keys_are_asked_for_unless_it_is_said_otherwise() -> None:
    assert load_settings({}).access == "keys"
    assert load_settings({"WINDVANE_ACCESS": ""}).access == "keys"
    assert load_settings({"WINDVANE_ACCESS": "open"}).access == "open"


@pytest.mark.parametrize("host", ["0.0.0.0", "10.0.0.5", "example.org", "::"])
def test_access_is_open_on_loopback_only(host: str) -> None:
    (said,) = complaints_of({"WINDVANE_ACCESS": "open", "WINDVANE_HOST": host})
    assert said.startswith("environment: WINDVANE_ACCESS: 'open' lets everybody decide who reaches WINDVANE_HOST")
    assert "take 'keys'" in said
    assert load_settings({"WINDVANE_HOST": host}).access == "keys"


def test_access_is_not_open_on_a_cluster_that_was_attached_to() -> None:
    """Its proxies listen where their own cluster said."""
    (said,) = complaints_of({"WINDVANE_ACCESS": "open", "RAY_ADDRESS": "10.0.0.5:6379"})
    assert "unset RAY_ADDRESS, or take 'keys'" in said


def test_a_word_that_is_neither_is_told_with_the_nearest() -> None:
    assert complaints_of({"WINDVANE_ACCESS": "key"}) == [
        "environment: WINDVANE_ACCESS: 'key' is none of keys, open (did you mean `keys`?)"
    ]


def test_settings_of_access_reach_other_processes(tmp_path: Path) -> None:
    settings = load_settings({"WINDVANE_ACCESS": "open", "WINDVANE_TOKEN_ISSUER": str(tmp_path / "issuer.yaml")})
    assert load_settings(settings.environment()) == settings


def test_the_key_that_the_command_line_shows_is_nobody_elses_setting(tmp_path: Path) -> None:
    """In the arguments of an application it would make every deploy with another key a new declaration."""
    settings = load_settings({"WINDVANE_HOME": str(tmp_path)})
    assert settings.key_file == tmp_path / "admin.key"
    mine = load_settings({"WINDVANE_HOME": str(tmp_path), "WINDVANE_KEY_FILE": "/keys/mine"})
    assert mine.key_file == Path("/keys/mine")
    assert mine.model_dump(mode="json") == settings.model_dump(mode="json")
    assert mine.environment() == settings.environment()


def test_nobodys_tokens_are_taken_unless_somebody_is_named() -> None:
    assert load_issuer(load_settings({})) is None


def test_an_issuer_has_careful_defaults(tmp_path: Path) -> None:
    issuer = issuer_of(tmp_path, GOOD)
    assert issuer is not None
    assert (issuer.algorithms, issuer.clock_skew.total_seconds(), issuer.claims) == (("RS256",), 30.0, Claims())
    assert (issuer.requests_per_second, issuer.keys_are_fetched) == (None, True)


def test_everything_can_be_said(tmp_path: Path) -> None:
    issuer = issuer_of(
        tmp_path,
        GOOD.replace("https://login.example.org/jwks.json", "jwks.json")
        + """\
algorithms: [ES256, EdDSA]
clock_skew: 10s
claims: {name: email, roles: /realm_access/roles, models: models}
requests_per_second: 2.5
burst: 10
""",
    )
    assert issuer is not None
    assert issuer.keys == str(tmp_path / "jwks.json")  # wherever the process that reads it was started
    assert not issuer.keys_are_fetched
    assert (issuer.algorithms, issuer.burst, issuer.claims.models) == (("ES256", "EdDSA"), 10, "models")


@pytest.mark.parametrize("algorithm", ["none", "HS256", "HS512", "RS255"])
def test_a_signature_that_anybody_can_make_cannot_be_allowed(tmp_path: Path, algorithm: str) -> None:
    (said,) = issuer_complaints(tmp_path, GOOD + f"algorithms: [RS256, {algorithm}]\n")
    assert said.startswith(f"issuer.yaml:5: algorithms[1]: '{algorithm}' is none of RS256, RS384")


def test_everything_that_is_wrong_is_named_with_its_line(tmp_path: Path) -> None:
    text = """\
issuer: ""
keys: http://login.example.org/jwks.json
algorithms: []
clock_skew: 10m
rolls: {}
roles: {ml: clint}
requests_per_second: 0
burst: 0
"""
    told = issuer_complaints(tmp_path, text)
    places = {said.partition(" ")[2].partition(":")[0] for said in told}
    assert places == {
        "issuer",
        "audience",
        "keys",
        "algorithms",
        "clock_skew",
        "rolls",
        "roles.ml",
        "requests_per_second",
        "burst",
    }
    assert any("did you mean `client`?" in said for said in told)
    assert any("did you mean `roles`?" in said for said in told)


@pytest.mark.parametrize(
    "url", ["http://login.example.org/jwks", "ftp://x/jwks", "file:///etc/jwks", "http://127.0.0.1.example.org/"]
)
def test_keys_that_could_be_changed_on_the_way_are_refused(tmp_path: Path, url: str) -> None:
    (said,) = issuer_complaints(tmp_path, GOOD.replace("https://login.example.org/jwks.json", url))
    assert "give an https URL" in said


def test_keys_on_this_machine_need_no_https(tmp_path: Path) -> None:
    issuer = issuer_of(tmp_path, GOOD.replace("https://login.example.org/", "http://127.0.0.1:9000/", 2))
    assert issuer is not None
    assert issuer.keys == "http://127.0.0.1:9000/jwks.json"


def test_without_a_meaning_of_roles_no_token_is_taken(tmp_path: Path) -> None:
    (said,) = issuer_complaints(tmp_path, GOOD.replace("roles: {ml-clients: client}\n", ""))
    assert said == "issuer.yaml:1: roles: is required and missing"


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    settings = load_settings({"WINDVANE_TOKEN_ISSUER": str(tmp_path / "none.yaml")})
    with pytest.raises(BadDeclaration, match=r"none\.yaml"):
        load_issuer(settings)


def test_the_example_in_the_documentation_is_taken(tmp_path: Path) -> None:
    page = Path(__file__).parents[3] / "docs" / "access.md"
    [example] = re.findall(r"```yaml\n(issuer:.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    issuer = issuer_of(tmp_path, example)
    assert issuer is not None
    assert issuer.roles == {"ml-clients": "client", "ml-owners": "owner"}
