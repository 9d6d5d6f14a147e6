"""A lake's silver, brought from where it stands to where its bronze does.

A version that is over never changes. So those stand in files that are added to, and a merge reads
the changes that are new and the rows that are current, and writes the latter anew. What a table has
more of than is to be taken at once is merged in parts, each of some of the keys.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple
from uuid import uuid4

from pyarrow import parquet

from medallion_lib.errors import refusal
from medallion_lib.lake.place import Place
from medallion_lib.lake.relations import MERGE
from medallion_lib.steps import step

Facts = dict[str, Any]  # as a lake's JSON files have them
# The rows of a statement in PostgreSQL's SQL, over files and views by their names, and of some of
# these only what a condition of Spark's says: a DataFrame.
Asked = Callable[[str, dict[str, list[str]], Iterable[Facts], dict[str, str]], Any]
AT_ONCE = 2_000_000  # rows
NOTHING: Facts = {"lsn": -1, "bronze": {}, "tables": {}}
NONE: Facts = {"files": [], "current": [], "over": 0, "rows": 0}
MARKED = "SELECT *, sys_end = 'infinity' AS {} FROM ({}) AS made"
UNTOUCHED = f' UNION ALL SELECT *, true FROM "{MERGE}".untouched'
# What an engine says that has no memory left; Sail says the third where it begins to spill.
NO_MEMORY = re.compile("Resources exhausted|Failed to allocate|partition not used yet|OutOfMemory")
# What Sail says when it is asked for the answer that was lost with a connection: it keeps none.
LOST = re.compile("task context not found|operation not found")


class Made(NamedTuple):
    """What one merge did to one table of silver."""

    table: str
    rows: int  # that it has now
    read: int  # changes that were new
    written: int  # versions that are over since, and all rows that are current


def merge(place: Place, asked: Asked, at_once: int) -> list[Made]:
    """Bring silver to where bronze is; what was there before is read until all is written."""
    bronze, before = place.read("bronze"), place.read("silver")
    known = before if before and _goes_on(before, bronze) else NOTHING
    silver = {name: bronze[name] for name in ("lsn", "commit_ts", "relations")}
    silver |= {"bronze": {name: {each: table[each] for each in ("files", "rows")}
                          for name, table in bronze["tables"].items()}, "tables": {}}  # fmt: skip
    done, run = [], _Run(place, asked, bronze, at_once)
    for source, table in bronze["tables"].items():
        if table["history"]:
            name = ".".join(table["history"])
            then = known["tables"].get(name, NONE)
            was = known["bronze"].get(source, NONE)
            new, read = table["files"][len(was["files"]) :], table["rows"] - was["rows"]
            told = run.made(table, then, new, read) if new else then
            silver["tables"][name] = told
            done.append(Made(name, told["rows"], read, told["rows"] - then["over"] if new else 0))
    if known["lsn"] < bronze["lsn"]:
        place.commit("silver", silver)
        step("silver committed")
        _sweep(place, silver, before)
    return done


def _goes_on(silver: Facts, bronze: Facts) -> bool:
    """Whether bronze says what silver was made of, and more at most."""
    here = {name: table["files"] for name, table in bronze["tables"].items()}
    return (
        silver["relations"] == bronze["relations"]
        and all(here.get(name, [])[: len(read["files"])] == read["files"]
                for name, read in silver["bronze"].items())
        and {name: _said(table) for name, table in silver["tables"].items()}
        == {".".join(table["history"]): _said(table)
            for table in bronze["tables"].values() if table["history"]}
    )  # fmt: skip


def _said(table: Facts) -> Facts:
    return {name: table[name] for name in ("query", "batch")}


class _Run(NamedTuple):
    place: Place
    asked: Asked
    bronze: Facts
    at_once: int

    def made(self, table: Facts, then: Facts, new: list[str], read: int) -> Facts:
        """Write a history's new rows; what the lake is to know of it.

        Where the engine's answer was lost, it may have written them, and may write yet: they are
        written again, elsewhere.
        """
        try:
            return self._made(table, then, new, read)
        except Exception as problem:
            if not LOST.search(str(problem)):
                raise
        return self._made(table, then, new, read)

    def _made(self, table: Facts, then: Facts, new: list[str], read: int) -> Facts:
        mark = "is_current"
        while mark in table["columns"]:
            mark += "_"
        name = ".".join(table["history"])
        folder = f"silver/{name}/{self.bronze['lsn']:020}-{uuid4().hex}"
        count = read + then["rows"] - then["over"]
        for part, only in enumerate(_parts(table["keys"], -(-count // self.at_once) or 1)):
            rows = self._rows(table, then, new, mark, only)
            try:
                rows.write.partitionBy(mark).parquet(self.place.url(f"{folder}/{part}"))
            except Exception as problem:
                if not (found := NO_MEMORY.search(str(problem))):
                    raise
                facts = {"url": self.place.path, "fewer": max(1, min(count, self.at_once) // 4)}
                facts["reason"] = str(problem)[found.start() :].splitlines()[0].rstrip('".')
                raise refusal("engine out of memory", table=name, **facts) from problem
        step("silver table written")
        return self._told(table, then, folder, rows.where("false").drop(mark))

    def _rows(
        self, table: Facts, then: Facts, new: list[str], mark: str, only: dict[str, str]
    ) -> Any:
        statement, views = MARKED.format(mark, table["query"]), self.bronze["relations"]
        files = {name: each["files"] for name, each in self.bronze["tables"].items()}
        if not then["current"]:
            files[f"{MERGE}.changes"] = new
        else:
            files |= {f"{MERGE}.new": new, f"{MERGE}.known": then["current"]}
            statement, views = statement + UNTOUCHED, [*views, *table["batch"]]
        return self.asked(statement, files, views, only)

    def _told(self, table: Facts, then: Facts, folder: str, none: Any) -> Facts:
        over, current = (self._files(folder, is_current) for is_current in ("false", "true"))
        if not current:  # one tells of the columns
            none.write.parquet(self.place.url(f"{folder}/is_current=none"))
            current = self._files(folder, "none")
        before = [file for file in then["files"] if file not in then["current"]]
        is_over = then["over"] + self._count(over)
        return {"files": [*before, *over, *current], "current": current, "over": is_over,
                "rows": is_over + self._count(current), **_said(table)}  # fmt: skip

    def _files(self, folder: str, is_current: str) -> list[str]:
        return [path for path in self.place.files(folder)
                if path.endswith(".parquet") and f"={is_current}/" in path]  # fmt: skip

    def _count(self, files: list[str]) -> int:
        """Their rows, by what stands at the end of each."""
        paths = map(self.place.at, files)
        return sum(parquet.read_metadata(path, filesystem=self.place.fs).num_rows for path in paths)


def _parts(keys: list[str], parts: int) -> Iterator[dict[str, str]]:
    """What each part of a table's keys is to read; TRUNCATE is of all."""
    if parts == 1:
        yield {}
        return
    changed, known = (", ".join(f"{row}`{key}`" for key in keys) for row in ("full_row.", ""))
    for part in range(parts):
        changes = f"op = 'T' OR pmod(hash({changed}), {parts}) = {part}"
        yield {f"{MERGE}.new": changes, f"{MERGE}.changes": changes,
               f"{MERGE}.known": f"pmod(hash({known}), {parts}) = {part}"}  # fmt: skip


def _sweep(place: Place, *read: Facts | None) -> None:
    """Remove the silver of before; what others may be reading yet stays until the next time."""
    tables = [table for stage in read if stage for table in stage["tables"].values()]
    place.sweep("silver", {file for table in tables for file in table["files"]})
