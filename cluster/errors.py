"""Every error Windvane raises on purpose, and the HTTP status each door answers with.

WindvaneError                 500
├── Invalid                   422  what was sent or declared is wrong; change it
│   └── Malformed             400  it cannot even be read
├── Unauthorized              401  who calls is not known; send a key or a token that is good
├── Forbidden                 403  the caller may not do this
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


@dataclass(frozen=True, slots=True)
class Problem:
    """One offending place in what was sent: a JSON pointer and a sentence."""

    pointer: str
    detail: str


class Invalid(WindvaneError):
    """What was sent or declared is understood and wrong; `problems` names every place at once."""

    status = 422
    title = "Invalid request"

    def __init__(self, detail: str, problems: tuple[Problem, ...] = ()) -> None:
        super().__init__(detail)
        self.problems = problems


class Malformed(Invalid):
    """What was sent cannot be read at all."""

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
