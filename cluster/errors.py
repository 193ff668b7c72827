"""Every error Windvane raises on purpose, and the HTTP status each endpoint answers with.

WindvaneError                 500
├── Invalid                   422  what was sent or declared is wrong; change it
│   └── Malformed             400  it cannot even be read
├── Unauthorized              401  who calls is not known; send a key or a token that is good
├── Forbidden                 403  the caller may not do this
│   └── Denied                403  a policy says so; `policies` of policy set `version` determined it
├── NotFound                  404  no such model, version, record
├── Conflict                  409  somebody else changed it first, or the state does not allow it
├── TooLarge                  413  send less at once
└── Unavailable               503  not now; try again after `retry_after_seconds`
    ├── Overloaded            429  too many at once; try again after `retry_after_seconds`
    │   └── TooFast           429  this caller asks faster than its key allows
    └── Expired               504  its deadline passed before it was decided; allow it more time
"""

from dataclasses import dataclass


class WindvaneError(Exception):
    """The root: its text says what is wrong, where, and what to do next."""

    status = 500
    title = "Internal error"

    @property
    def line(self) -> str:
        """All of it in one line, for replies that have no fields."""
        return str(self)


@dataclass(frozen=True, slots=True)
class Problem:
    """One offending place in what was sent: a JSON pointer and a sentence.

    Problems are counted by `field` and `reason`: declared names and words of ours, never what somebody sent.
    """

    pointer: str
    detail: str
    reason: str = "invalid"
    field: str = ""


class Invalid(WindvaneError):
    """A request or declaration is understood and wrong; `problems` names every place at once."""

    status = 422
    title = "Invalid request"

    def __init__(self, detail: str, problems: tuple[Problem, ...] = ()) -> None:
        super().__init__(detail)
        self.problems = problems


class Malformed(Invalid):
    """A request cannot be read at all."""

    status = 400
    title = "Malformed request"


class Unauthorized(WindvaneError):
    """Nobody knows who calls: no credential was sent, or not one that is good.

    `invalid` says that one was sent, for `WWW-Authenticate` (RFC 6750, section 3); the text never repeats it.
    """

    status = 401
    title = "Unauthorized"

    def __init__(self, detail: str, invalid: bool = True) -> None:
        super().__init__(detail)
        self.invalid = invalid

    @property
    def challenge(self) -> str:
        """The value of `WWW-Authenticate` that has to go with a 401."""
        return 'Bearer realm="windvane"' + (', error="invalid_token"' if self.invalid else "")


class Forbidden(WindvaneError):
    """The caller may not do this."""

    status = 403
    title = "Forbidden"


class Denied(Forbidden):
    """A policy does not allow it; the text is the reason for people, never the rule's internals."""

    title = "Denied by policy"

    def __init__(
        self, reason: str, policies: tuple[str, ...], version: str, decision_ids: tuple[str, ...] = ()
    ) -> None:
        super().__init__(reason)
        self.policies = policies
        self.version = version
        self.decision_ids = decision_ids  # under which it is on record, when it was about decisions

    @property
    def line(self) -> str:
        """The reason, and what to name when asking about it.

        >>> Denied("Not so.", ("purpose",), "4f2a" * 16, ("d1",)).line
        'Not so. (by purpose of policy set 4f2a4f2a4f2a, on record as d1)'
        """
        by = ", ".join(self.policies) or "no rule"
        recorded = f", on record as {self.decision_ids[0]}" if self.decision_ids else ""
        return f"{self} (by {by} of policy set {self.version[:12]}{recorded})"


class NotFound(WindvaneError):
    """There is no such thing."""

    status = 404
    title = "Not found"


class Conflict(WindvaneError):
    """Somebody else changed it first, or its state does not allow this."""

    status = 409
    title = "Conflict"


class TooLarge(WindvaneError):
    """More was sent at once than is accepted."""

    status = 413
    title = "Too large"


class Unavailable(WindvaneError):
    """Not now; the same request may succeed after `retry_after_seconds`."""

    status = 503
    title = "Unavailable"

    def __init__(self, detail: str, retry_after_seconds: float = 1.0) -> None:
        super().__init__(detail)
        self.retry_after_seconds = retry_after_seconds


class Overloaded(Unavailable):
    """Too many requests are waiting already."""

    status = 429
    title = "Overloaded"


class TooFast(Overloaded):
    """The caller asks faster than its key allows."""

    title = "Too fast"


class Expired(Unavailable):
    """The caller's deadline passed before a decision was made: none was, and none is logged."""

    status = 504
    title = "Too late"
