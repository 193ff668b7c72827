"""Gives callers, for an error that nobody foresaw, one that says whose fault it is and what to do."""

from windvane.cluster.errors import WindvaneError

SENTENCE = (
    "This is a fault of the server, not of the request: it is in the server's log. Nothing was answered; send it once "
    "more, and tell the model's owner if it fails again"
)


def told(error: BaseException) -> WindvaneError:
    """The error itself where it was raised on purpose, else one with status 500 that repeats nothing of it.

    >>> told(KeyError("N725MQ")).status
    500
    """
    return error if isinstance(error, WindvaneError) else WindvaneError(SENTENCE)
