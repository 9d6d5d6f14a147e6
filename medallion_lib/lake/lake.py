"""A lake: silver made of bronze's files by an engine, and gold asked of it."""

import hashlib
import json
import os
import re
from functools import cached_property
from typing import Any, NamedTuple
from uuid import uuid4

from medallion_lib.errors import refusal
from medallion_lib.lake import engine
from medallion_lib.lake.dialect import spark
from medallion_lib.lake.place import Place
from medallion_lib.lake.relations import Relations
from medallion_lib.steps import step


class Made(NamedTuple):
    """A table of silver that an engine made."""

    table: str
    rows: int


class Lake:
    """What is at a URL, and the engine that reads it: `session`, or Sail where none is given."""

    def __init__(self, url: str | os.PathLike[str], session: Any = None) -> None:
        self.place = Place(url)
        if self.place.read("bronze") is None:
            raise refusal("nothing exported", url=self.place.path)
        self._session = session

    @cached_property
    def session(self) -> Any:
        return self._session or engine.session()

    def merge(self) -> list[Made]:
        """Make silver of all changes that are exported, by the query of a whole history.

        Until all is written, what was there before is read, and after that the new one.
        """
        bronze, before = self.place.read("bronze"), self.place.read("silver")
        if before is None or before["lsn"] < bronze["lsn"] or _said(before) != {
            "relations": bronze["relations"], "queries": _queries(bronze),
        }:  # fmt: skip
            silver = {name: bronze[name] for name in ("lsn", "commit_ts", "relations")}
            relations, queries = self._relations(bronze), _queries(bronze)
            silver["tables"] = {name: self._made(relations, name, query, bronze["lsn"])
                                for name, query in queries.items()}  # fmt: skip
            self.place.commit("silver", silver)
            step("silver committed")
            self._sweep(silver, before)
            before = silver
        return [Made(name, table["rows"]) for name, table in before["tables"].items()]

    def _made(self, relations: Relations, name: str, query: str, lsn: int) -> dict[str, Any]:
        folder = f"silver/{name}/{lsn:020}-{uuid4().hex}"
        rows = self.session.sql(spark(relations.statement(query)))
        rows.write.parquet(self.place.url(folder))
        step("silver table written")
        files = [path for path in self.place.files(folder) if path.endswith(".parquet")]
        count = self.session.read.parquet(*map(self.place.url, files)).count()
        return {"files": files, "rows": count, "query": query}

    def sql(self, statement: str) -> Any:
        """The rows of a statement in PostgreSQL's SQL, FOR SYSTEM_TIME included: a DataFrame.

        It reads silver as it is, the marts' views over it, and the changes in bronze.
        """
        return self.session.sql(self.translated(statement))

    def translated(self, statement: str) -> str:
        """The statement as the engine gets it."""
        if (silver := self.place.read("silver")) is None:
            raise refusal("nothing in the lake", url=self.place.path)
        return spark(self._relations(self.place.read("bronze"), silver).statement(statement))

    def _relations(self, *stages: dict[str, Any]) -> Relations:
        """What statements may name; the files of what they do are shown to the engine then."""
        files = {tuple(name.split(".", 1)): table["files"]
                 for stage in stages for name, table in stage["tables"].items()}  # fmt: skip

        def shown(name: tuple[str, ...]) -> str:
            urls = [*map(self.place.url, files[name])]
            told = hashlib.sha1(json.dumps(urls).encode()).hexdigest()[:8]
            view = re.sub(r"\W", "_", f"{name[1]}_{told}")
            self.session.read.parquet(*urls).createOrReplaceTempView(view)
            return view

        return Relations(files, stages[-1]["relations"], shown)

    def _sweep(self, *read: dict[str, Any] | None) -> None:
        """Remove the silver of before; what others may be reading yet stays until the next time."""
        tables = [table for stage in read if stage for table in stage["tables"].values()]
        files = {file for table in tables for file in table["files"]}
        self.place.sweep("silver", files)


def _queries(bronze: dict[str, Any]) -> dict[str, str]:
    """The query of each history, by its name."""
    return {".".join(table["history"]): table["query"]
            for table in bronze["tables"].values() if table["history"]}  # fmt: skip


def _said(silver: dict[str, Any]) -> dict[str, Any]:
    queries = {name: table["query"] for name, table in silver["tables"].items()}
    return {"relations": silver["relations"], "queries": queries}
