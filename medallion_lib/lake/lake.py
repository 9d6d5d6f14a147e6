"""A lake: silver made of bronze's files by an engine, and gold asked of it."""

import hashlib
import json
import os
import re
from functools import cached_property
from collections.abc import Iterable
from typing import Any

from medallion_lib.errors import refusal
from medallion_lib.lake import engine
from medallion_lib.lake.dialect import spark
from medallion_lib.lake.merge import AT_ONCE, Facts, Made, merge
from medallion_lib.lake.place import Place
from medallion_lib.lake.relations import Relations

Files = dict[str, list[str]]  # by the name of a table

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

    def merge(self, at_once: int = AT_ONCE) -> list[Made]:
        """Make silver of what is exported, by the query of a whole history.

        Of a table that it has, it reads the changes that are new and the rows that are current; all
        changes of all where a query, a view or an exported column is another one now. An engine
        has no more than `at_once` rows of a table to sort and join at a time, or those of one key.
        Raises MedallionError where it has no memory for that.
        """
        return merge(self.place, self._asked, at_once)

    def sql(self, statement: str) -> Any:
        """The rows of a statement in PostgreSQL's SQL, FOR SYSTEM_TIME included: a DataFrame.

        It reads silver as it is, the marts' views over it, and the changes in bronze.
        """
        return self.session.sql(self.translated(statement))

    def translated(self, statement: str) -> str:
        """The statement as the engine gets it."""
        if (silver := self.place.read("silver")) is None:
            raise refusal("nothing in the lake", url=self.place.path)
        stages = self.place.read("bronze"), silver
        files = {name: table["files"]
                 for stage in stages for name, table in stage["tables"].items()}  # fmt: skip
        return self._translated(statement, files, silver["relations"])

    def _translated(
        self, statement: str, files: Files, views: Iterable[Facts], only: Facts | None = None
    ) -> str:
        """The statement as the engine gets it, once it was shown the files of what that names.

        `only` has a condition of Spark's for the rows of some tables.
        """

        def shown(name: tuple[str, ...]) -> str:
            urls = [*map(self.place.url, files[".".join(name)])]
            condition = (only or {}).get(".".join(name), "true")
            told = hashlib.sha1(json.dumps([urls, condition]).encode()).hexdigest()[:8]
            view = re.sub(r"\W", "_", f"{name[1]}_{told}")
            rows = self.session.read.parquet(*urls)
            rows.where(condition).createOrReplaceTempView(view)
            return view

        tables = (tuple(name.split(".", 1)) for name in files)
        return spark(Relations(tables, views, shown).statement(statement))

    def _asked(self, *asked: Any) -> Any:
        return self.session.sql(self._translated(*asked))
