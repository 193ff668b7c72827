"""The Authenticator that this Windvane's settings declare."""

from windvane.cluster.callers.authenticator import Authenticator
from windvane.cluster.callers.caller import ANYBODY
from windvane.cluster.callers.pyjwt_tokens import tokens_of
from windvane.configs.complaint import BadDeclaration
from windvane.configs.load import load_issuer
from windvane.configs.settings import Settings


def declared(settings: Settings) -> Authenticator:
    """It knows no keys yet, and no tokens until it is started; raises BadDeclaration."""
    issuer = load_issuer(settings)
    tokens = None if issuer is None else tokens_of(issuer)
    return Authenticator(tokens, ANYBODY if settings.access == "open" else None)


def trouble(settings: Settings) -> str:
    """Complaints about the file of WINDVANE_TOKEN_ISSUER, a line each; empty where there are none."""
    try:
        load_issuer(settings)
    except BadDeclaration as error:
        return str(error)
    return ""
