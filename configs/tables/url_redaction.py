"""Addresses as they may be shown."""

import re


def public(address: str) -> str:
    """The address without the password that a SQL URL may hold.

    >>> public("postgresql://reader:secret@db/loans"), public("mssql://u@h/d?password=secret&x=1")
    ('postgresql://reader:***@db/loans', 'mssql://u@h/d?password=***&x=1')
    """
    hidden = re.sub(r"(://[^/@:]*):[^/]*@", r"\1:***@", address)
    return re.sub(r"(?i)\b(password|pwd|token|secret|authToken)=[^&;\s]*", r"\1=***", hidden)
