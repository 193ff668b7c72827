"""Settings from the environment and models from YAML: the only reader of either."""

import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from pydantic import ValidationError

from windvane.configs.access import TokenIssuer
from windvane.configs.complaint import BadDeclaration, Complaint, UnplacedComplaint, faults, nearest, spelled
from windvane.configs.document import Document, Unreadable, merge, read
from windvane.configs.schema import ModelSpec
from windvane.configs.settings import GRPC_OFFSET, USERS_FOLDER, Settings

PACKAGED = Path(__file__).resolve().parent

_VARIABLES = {
    "home": "WINDVANE_HOME",
    "host": "WINDVANE_HOST",
    "port": "WINDVANE_PORT",
    "grpc_port": "WINDVANE_GRPC_PORT",
    "dashboard_port": "WINDVANE_DASHBOARD_PORT",
    "ray_address": "RAY_ADDRESS",
    "store_url": "WINDVANE_STORE",
    "mlflow_uri": "WINDVANE_MLFLOW",
    "models_dir": "WINDVANE_MODELS",
    "overlay": "WINDVANE_OVERLAY",
    "access": "WINDVANE_ACCESS",
    "issuer_file": "WINDVANE_TOKEN_ISSUER",
    "key_path": "WINDVANE_KEY_FILE",
    "ray_token_path": "RAY_AUTH_TOKEN_PATH",
    "signing_key_path": "WINDVANE_SIGNING_KEY",
    "former_keys": "WINDVANE_FORMER_KEYS",
    "checkpoint_copy": "WINDVANE_CHECKPOINT_COPY",
    "master_key_path": "WINDVANE_MASTER_KEY",
}
# Every process has to find them, wherever it runs.
_FILES = (
    "issuer_file",
    "signing_key_path",
    "checkpoint_copy",
    "master_key_path",
)


def load_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """Read `WINDVANE_*` and `RAY_ADDRESS` (empty counts as unset); raises BadDeclaration naming every bad variable."""
    environment = os.environ if environment is None else environment
    given = {field: environment[name] for field, name in _VARIABLES.items() if environment.get(name)}
    home = Path(given.get("home", "var")).expanduser().absolute()
    own_models = Path(environment.get(USERS_FOLDER) or ".") / "configs" / "models"
    port = given.get("port", "8000")
    models = given.get("models_dir", own_models if own_models.is_dir() else PACKAGED / "models")
    if given.get("ray_address"):  # a cluster that somebody else started, with Ray's usual token
        given.setdefault("ray_token_path", str(Path("~/.ray/auth_token").expanduser()))
    given |= {field: _absolute(given[field]) for field in _FILES if field in given}
    former = [_absolute(file) for file in given.pop("former_keys", "").split(os.pathsep) if file]
    values = {
        "store_url": f"sqlite:///{home}/windvane.db",
        "mlflow_uri": f"sqlite:///{home}/mlflow/mlflow.db",
        "ray_token_path": str(home / "ray_token"),
        "signing_key_path": str(home / "keys" / "signing.pem"),
        "master_key_path": str(home / "keys" / "master.key"),
        "grpc_port": min((int(port) if port.isdecimal() else 0) + GRPC_OFFSET, 65535),  # nobody wrote it
        **given,
        "home": str(home),
        "models_dir": _absolute(models),
        "former_keys": tuple(former),
    }
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        wrong = faults(error, Settings, values)
        raise BadDeclaration(
            [
                Complaint("environment", _VARIABLES[str(fault.path[0])], None, fault.what, fault.nearest)
                for fault in wrong
            ]
        ) from error


def load_issuer(settings: Settings) -> TokenIssuer | None:
    """Whose bearer tokens are taken beside keys, None when nobody's are; raises BadDeclaration with every complaint."""
    if settings.issuer_file is None:
        return None
    file = Path(settings.issuer_file)
    try:
        document = read(file)
    except Unreadable as error:
        raise BadDeclaration([Complaint(str(file), spelled(error.path), error.line, error.what)]) from error
    try:
        return TokenIssuer.model_validate(document.value).beside(file.parent)
    except ValidationError as error:
        raise BadDeclaration(
            [
                Complaint(str(file), spelled(fault.path), document.line(fault.path), fault.what, fault.nearest)
                for fault in faults(error, TokenIssuer, document.value)
            ]
        ) from error


def _absolute(path: str | Path) -> str:
    return str(Path(path).expanduser().absolute())


def model_names(settings: Settings) -> tuple[str, ...]:
    """Every model declared in the models folder, by name."""
    return tuple(sorted(file.stem for file in Path(settings.models_dir).glob("*.yaml")))


def load_model(name: str, settings: Settings) -> ModelSpec:
    """The model's declaration with the overlay laid over it; raises BadDeclaration with every complaint at once."""
    file = Path(settings.models_dir) / f"{name}.yaml"
    names = model_names(settings)
    if name not in names:
        what = f"no model {name!r} here; there are: {', '.join(names) or 'none'}"
        raise BadDeclaration([Complaint(settings.models_dir, "", None, what, nearest(name, names))])
    spec, complaints = _examine(file, overlay_file(name, settings))
    if spec is None:
        raise BadDeclaration(complaints)
    return spec


def validate_file(file: Path, overlay: Path | None = None) -> list[Complaint]:
    """Everything that is wrong with one declaration; empty when it can be used."""
    return _examine(file, overlay)[1]


def declared_in(file: Path, overlay: Path | None = None) -> ModelSpec | None:
    """The declaration, or None while something is wrong with it."""
    return _examine(file, overlay)[0]


def validate_all(settings: Settings) -> list[Complaint]:
    """The complaints about every model in the models folder, under the overlay in force."""
    return [
        complaint
        for name in model_names(settings)
        for complaint in validate_file(Path(settings.models_dir) / f"{name}.yaml", overlay_file(name, settings))
    ]


def writable_models_dir(settings: Settings) -> Path:
    """Folder of new declarations: never the packaged one, unless this is its own repository."""
    folder = Path(settings.models_dir)
    packaged = folder == PACKAGED / "models" and Path.cwd() != PACKAGED.parent
    return Path.cwd() / "configs" / "models" if packaged else folder


def policies_dir(settings: Settings) -> Path:
    """Folder of the policies: beside the models folder, else the packaged one."""
    own = Path(settings.models_dir).parent / "policies"
    return own if own.is_dir() else PACKAGED / "policies"


def overlay_file(name: str, settings: Settings) -> Path | None:
    """This model's overlay, beside the models folder or packaged; an overlay nobody wrote is an error."""
    if settings.overlay is None:
        return None
    roots = [Path(settings.models_dir).parent / "overlays", PACKAGED / "overlays"]
    folders = [root / settings.overlay for root in roots if (root / settings.overlay).is_dir()]
    if not folders:
        known = sorted({folder.name for root in roots if root.is_dir() for folder in root.iterdir() if folder.is_dir()})
        what = f"no overlay {settings.overlay!r}; there are: {', '.join(known) or 'none'}"
        raise BadDeclaration(
            [Complaint("environment", "WINDVANE_OVERLAY", None, what, nearest(settings.overlay, known))]
        )
    return next((folder / f"{name}.yaml" for folder in folders if (folder / f"{name}.yaml").exists()), None)


def check_data(file: Path, overlay: Path | None, now: datetime) -> tuple[list[Complaint], tuple[str, ...]]:
    """Complaints about the rows that a good declaration names, and notes on them for people."""
    from windvane.configs.table_check import check  # only who looks at rows pays for Arrow

    documents, _ = _documents(file, overlay)
    spec, complaints = _examine(file, overlay)
    if spec is None:
        return complaints, ()
    found = check(spec, now)
    return [_blamed(documents, fault) for fault in found.faults], found.notes


def _examine(file: Path, overlay: Path | None) -> tuple[ModelSpec | None, list[Complaint]]:
    """The spec, or what is wrong; a fault is blamed on the overlay where the overlay wrote the field."""
    documents, unreadable = _documents(file, overlay)
    if unreadable is not None:
        return None, [unreadable]
    value = dict(documents[0][1].value)
    if overlay:
        value = merge(value, documents[1][1].value)
    try:
        spec = ModelSpec.model_validate(value)
    except ValidationError as error:
        return None, [_blamed(documents, fault) for fault in faults(error, ModelSpec, value)]
    if spec.name != file.stem:
        what = f"{spec.name!r} is not the file's name; rename one to the other"
        return None, [_blamed(documents, UnplacedComplaint(("name",), what, file.stem))]
    return _anchored(spec, file.parent), []


def _documents(file: Path, overlay: Path | None) -> tuple[list[tuple[Path, Document]], Complaint | None]:
    """The file and its overlay as read, or the complaint about the first that cannot be."""
    documents: list[tuple[Path, Document]] = []
    for source in (file, overlay) if overlay else (file,):
        try:
            documents.append((source, read(source)))
        except Unreadable as error:
            return [], Complaint(str(source), spelled(error.path), error.line, error.what)
    return documents, None


def _blamed(documents: list[tuple[Path, Document]], fault: UnplacedComplaint) -> Complaint:
    """The fault with the file that wrote the field, and its line."""
    source, document = next((pair for pair in reversed(documents) if pair[1].holds(fault.path)), documents[0])
    return Complaint(str(source), spelled(fault.path), document.line(fault.path), fault.what, fault.nearest)


def _anchored(spec: ModelSpec, folder: Path) -> ModelSpec:
    """A relative data path counts from the YAML's own folder, so that every process finds the same file."""
    source = spec.data.source
    if source.startswith("python:") or "://" in source:
        return spec
    source = os.path.expanduser(source)
    data = spec.data.model_copy(update={"source": os.path.normpath(folder.absolute() / source)})
    return spec.model_copy(update={"data": data})
