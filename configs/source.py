"""Source of a model's labelled rows, and the way they are written there."""

from typing import Literal, Self

from pydantic import model_validator

from windvane.configs.declared import Declared, wrong
from windvane.configs.quantities import Flag, Moment


class Source(Declared):
    """Source of labelled rows: CSV or Parquet path or glob, SQL URL with a query, or `python:module:function`."""

    source: str  # path, folder or glob (relative to this YAML), SQL URL, or python:module:function
    query: str | None = None  # the SELECT, for a SQL URL
    time: str | None = None  # event time column; rows keep file order without one
    known: str | None = None  # column that says when a row's label became known; at once without one
    subject: str | None = None  # column that names who or what a decision is about
    until: Moment | None = None  # base data ends before this moment; newer labels come from the decision log
    decimal: Literal[".", ","] = "."  # what decimals stand behind where numbers are text, as in CSV
    # whether dates such as 03/04/2024 begin with the day; told from the rows where they tell it
    day_first: Flag | None = None

    @model_validator(mode="after")
    def _is_an_address(self) -> Self:
        scheme = self.source.partition("://")[0].lower() if "://" in self.source else ""
        if scheme in ("http", "https", "s3", "s3a", "gs", "gcs", "abfs", "az", "hdfs", "ftp", "file"):
            how = "write the path alone" if scheme == "file" else "copy it here, or read it in a python:module:function"
            raise wrong(f"addresses of {scheme}:// are not read; {how}", "source")
        if not self.source.strip():
            raise wrong("is empty; name a file, a folder, a SQL URL or python:module:function", "source")
        return self

    @model_validator(mode="after")
    def _query_goes_with_sql(self) -> Self:
        if "://" in self.source and not self.query:
            raise wrong("a SQL URL needs `query`", "query")
        if self.query and "://" not in self.source:
            raise wrong("belongs to a SQL URL such as postgresql://…", "query")
        if self.source.startswith("python:") and len(list(filter(None, self.source.split(":")))) != 3:
            raise wrong(f"{self.source!r} is not python:module:function", "source")
        if self.until is not None and self.time is None:
            raise wrong("needs `time`, the column it is compared with", "until")
        if self.known is not None and self.time is None:
            raise wrong("needs `time`, the column it counts from", "known")
        return self
