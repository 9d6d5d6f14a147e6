"""Random statements with FOR SYSTEM_TIME, each with what it must answer in plain Python.

A statement is built together with a function that computes its rows from the versions: nested
loops over lists, and no SQL.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import inf
from typing import Any, NamedTuple

from hypothesis import strategies as st
from test_as_of_functions import EPOCH, History, mart, moment

Row = tuple[Any, ...]
Seconds = float


@dataclass(frozen=True)
class Data:
    """Both tables' histories."""

    items: History
    sales: History


class Version(NamedTuple):
    key: int
    start: Seconds
    end: Seconds
    value: int


class Column(NamedTuple):
    name: str  # as SQL has it
    kind: str  # number, text, time or day
    of: Callable[[Version], Any] = lambda version: None


ID = Column("id", "number", lambda version: version.key)
START = Column("sys_start", "time", lambda version: version.start)
END = Column("sys_end", "time", lambda version: version.end)
ITEM = [
    ID,
    Column("name", "text", lambda version: f"item {version.value}"),
    Column('"Odd Col"', "number", lambda version: version.value),
]
SALE = [
    ID,
    Column("sold", "day", lambda version: EPOCH.date() + timedelta(days=20 * version.value)),
    Column("item_id", "number", lambda version: version.key % 3),
    Column("amount", "number", lambda version: version.value),
]


@dataclass(frozen=True)
class Relation:
    schema: str
    name: str
    columns: list[Column]
    history: str = "items"
    picks: Callable[[Version], bool] = lambda version: True
    is_mart: bool = False

    def rows(self, data: Data, form: str, instants: list[Seconds]) -> list[Row]:
        if self.is_mart:
            [at] = instants
            return list(mart(*({version.key: version.value for version in versions(history)
                                if CURRENT[form](version, at)}
                               for history in (data.items, data.sales))))
        return [
            tuple(column.of(version) for column in self.columns)
            for version in versions(getattr(data, self.history))
            if CURRENT[form](version, *instants) and self.picks(version)
        ]


# Of the made views, beside those of test_as_of_functions.py: one on a table and one on a view.
PICKING = """
CREATE VIEW scratch.named AS SELECT name, id FROM silver.item_hist WHERE id <> 1;
CREATE VIEW scratch.dear AS SELECT id, "Name" AS label, sys_start AS since
    FROM silver.item WHERE "Odd Col" > 1;
"""
RELATIONS = [
    Relation("silver", "item_hist", [*ITEM, START, END]),
    Relation("silver", "item", [ITEM[0], ITEM[1]._replace(name='"Name"'), ITEM[2], START]),
    Relation("silver", "sale", [*SALE, START, END], "sales"),
    Relation("silver", "sale_current", SALE, "sales"),
    Relation("scratch", "named", [ITEM[1], ID], picks=lambda version: version.key != 1),
    Relation("scratch", "dear", [ID, ITEM[1]._replace(name="label"), START._replace(name="since")],
             picks=lambda version: version.value > 1),
    Relation("gold", "mart", [Column("name", "text"), Column("total", "number")], is_mart=True),
]  # fmt: skip

# When a version is among those that a form names: from its start on, and up to but without its end.
# A period that ends before it begins has none.
CURRENT: dict[str, Callable[..., bool]] = {
    "AS OF {}": lambda version, at: version.start <= at < version.end,
    "FROM {} TO {}": lambda version, a, b: a < b and version.start < b and a < version.end,
    "BETWEEN {} AND {}": lambda version, a, b: a <= b and version.start <= b and a < version.end,
    "BETWEEN ASYMMETRIC {} AND {}": lambda *asked: CURRENT["BETWEEN {} AND {}"](*asked),
    "BETWEEN SYMMETRIC {} AND {}": lambda version, *between: (
        CURRENT["BETWEEN {} AND {}"](version, *sorted(between))),
    "CONTAINED IN ({}, {})": lambda version, a, b: a <= version.start and version.end <= b,
    "ALL": lambda version: True,
}


@st.composite
def histories(draw: st.DrawFn) -> History:
    """Versions of most of four keys, some with gaps, some that end, that share instants."""
    history: History = {}
    for key in draw(st.sampled_from([range(4), range(4), range(2), range(0)])):
        times = sorted(draw(st.sets(st.integers(0, 9), min_size=1, max_size=6)))
        last = draw(st.sampled_from([None, None, 10]))
        values = [draw(st.sampled_from([1, 2, 3, 1, 2, 3, 0])) for _ in times]
        spans = zip(times, [*times[1:], last], values, strict=True)
        history[key] = [span for span in spans if span[2]]  # a value of 0 is a gap
    return history


def versions(history: History) -> Iterator[Version]:
    for key, rows in history.items():
        for start, end, value in rows:
            yield Version(key, start, inf if end is None else end, value)


# --- Instants ----------------------------------------------------------------------------------


class Instant(NamedTuple):
    sql: str
    at: Callable[[Row], Seconds]  # of the row it stands beside


@dataclass
class Building:
    """A statement as it grows: its binds, and how many names it has used up."""

    binds: dict[str, datetime] = field(default_factory=dict)
    names: int = 0

    def bind(self, value: datetime) -> str:
        name = f"at_{len(self.binds)}"
        self.binds[name] = value
        return f"%({name})s"

    def name(self) -> str:
        self.names += 1
        return f"n{self.names}"


@st.composite
def instants(draw: st.DrawFn, building: Building, beside: Source | None) -> Instant:
    """On, just before or just after an instant at which something may begin or end."""
    second, off = draw(st.integers(-1, 10)), draw(st.sampled_from([0, -1e-6, 1e-6]))
    at = second + off
    told = moment(at).isoformat(sep=" ")
    whole = moment(second).isoformat(sep=" ")
    times = [column for column in beside.columns if column.kind == "time"] if beside else []
    ways = ["'{}'", "'{}'::timestamptz", "timestamptz '{}'", "CAST('{}' AS timestamptz)", "bind",
            "bind + 0 * interval '1 day'", "$$2023-01-01 00:00+00$$::timestamptz + {} * interval '1 s'",
            "(SELECT timestamptz '{}')", "infinity", *["column"] * 6 * len(times[:1])]  # fmt: skip
    way = draw(st.sampled_from(ways))
    if way == "column":
        column = draw(st.sampled_from(times))
        index, shift = beside.columns.index(column), draw(st.sampled_from(["", " - interval '1 us'"]))
        back = 1e-6 if shift else 0
        return Instant(f"{beside.name}.{column.name}{shift}", lambda row: row[index] - back)
    if way == "infinity":
        sign, end = draw(st.sampled_from([("", inf), ("-", -inf)]))
        return Instant(f"'{sign}infinity'", lambda row: end)
    if way.startswith("bind"):
        return Instant(way.replace("bind", building.bind(moment(at))), lambda row: at)
    if way.startswith("$$"):
        return Instant(way.format(f"{at:.6f}"), lambda row: at)
    offs = {0: "", -1e-6: " - interval '1 microsecond'", 1e-6: " + interval '0.000001 s'"}
    if "::" in way and draw(st.booleans()):
        return Instant(way.format(whole) + offs[off], lambda row: at)
    return Instant(way.format(told), lambda row: at)


# --- References and statements -----------------------------------------------------------------


@dataclass(frozen=True)
class Source:
    """Something in FROM: its text, the name before its columns, and its rows beside another's."""

    sql: str
    name: str
    columns: list[Column]
    rows: Callable[[Data, Row], list[Row]]

    def number(self) -> tuple[str, int]:
        """A column to join by, and its place."""
        index = next(i for i, column in enumerate(self.columns) if column.kind == "number")
        return f"{self.name}.{self.columns[index].name}", index


@dataclass(frozen=True)
class Query:
    """A statement that answers; its columns have kinds and no names that one could rely on."""

    sql: str
    kinds: list[str]
    rows: Callable[[Data], list[Row]]


@st.composite
def references(
    draw: st.DrawFn, building: Building, beside: Source | None = None, named: bool = False
) -> Source:
    """A reference with the clause, with an alias of its own where it has to be told apart."""
    relation = draw(st.sampled_from(RELATIONS))
    form = "AS OF {}" if relation.is_mart else draw(st.sampled_from(list(CURRENT)))
    at = [draw(instants(building, beside)) for _ in range(form.count("{}"))]
    schema = f"{relation.schema}." if draw(st.booleans()) else ""
    clause = form.format(*(instant.sql for instant in at))
    way = draw(st.sampled_from([" {}", " AS {}", " AS {} {}", " {} {}"] if named else
                               ["", "", " {}", " AS {}", " AS {} {}"]))  # fmt: skip
    name = building.name() if way else relation.name
    if draw(st.booleans()) and way:
        name = f'"{name} Ü"'
    columns = relation.columns
    if way.count("{}") == 2:
        renamed = draw(st.integers(1, len(columns)))
        columns = [column._replace(name=f"c{i}") if i < renamed else column
                   for i, column in enumerate(columns)]  # fmt: skip
        listed = f"({', '.join(column.name for column in columns[:renamed])})"
        alias = way.format(name, listed)
    else:
        alias = way.format(name)
    def rows(data: Data, row: Row) -> list[Row]:
        return relation.rows(data, form, [instant.at(row) for instant in at])

    return Source(f"{schema}{relation.name} FOR SYSTEM_TIME {clause}{alias}", name, columns, rows)


@st.composite
def picked(draw: st.DrawFn, sources: list[Source]) -> tuple[str, list[str], list[int]]:
    """A select list over what the sources have side by side: its text, kinds, and places."""
    every = [(f"{source.name}.{column.name}", column.kind)
             for source in sources for column in source.columns]  # fmt: skip
    places = draw(st.lists(st.integers(0, len(every) - 1), min_size=1, max_size=4))
    return ", ".join(every[i][0] for i in places), [every[i][1] for i in places], places


@st.composite
def one_reference(draw: st.DrawFn, building: Building) -> Query:
    source = draw(references(building))
    select, kinds, places = draw(picked([source]))
    column, index = source.number()
    bound = draw(st.integers(0, 3))
    where, passes = draw(st.sampled_from([
        ("", lambda value: True),
        (f" WHERE {column} > {bound}", lambda value: value > bound),
        (f" WHERE {column} = {bound}", lambda value: value == bound),
    ]))  # fmt: skip
    return Query(
        f"SELECT {select} FROM {source.sql}{where}",
        kinds,
        lambda data: [tuple(row[i] for i in places)
                      for row in source.rows(data, ()) if passes(row[index])],
    )  # fmt: skip


@st.composite
def joins(draw: st.DrawFn, building: Building) -> Query:
    """Two references, often of one relation at two instants."""
    left, right = draw(references(building)), draw(references(building, named=True))
    (a, i), (b, j) = left.number(), right.number()
    select, kinds, places = draw(picked([left, right]))
    way = draw(st.sampled_from(["JOIN", "LEFT JOIN", "RIGHT OUTER JOIN", "FULL JOIN", "CROSS JOIN", ","]))
    on = "" if way in ("CROSS JOIN", ",") else f" ON {a} = {b}"
    joined = f"{left.sql}\n{way} {right.sql}{on}"
    if way != "," and draw(st.booleans()):
        joined = f"({joined})"

    def rows(data: Data) -> list[Row]:
        ours, theirs = left.rows(data, ()), right.rows(data, ())
        pairs = [(x, y) for x in ours for y in theirs if not on or x[i] == y[j]]
        if way.startswith(("LEFT", "FULL")):
            lone = Counter(ours) - Counter({x: ours.count(x) for x, _ in pairs})
            pairs += [(x, (None,) * len(right.columns)) for x in lone.elements()]
        if way.startswith(("RIGHT", "FULL")):
            lone = Counter(theirs) - Counter({y: theirs.count(y) for _, y in pairs})
            pairs += [((None,) * len(left.columns), y) for y in lone.elements()]
        return [tuple((x + y)[place] for place in places) for x, y in pairs]

    return Query(f"SELECT {select} FROM {joined}", kinds, rows)


@st.composite
def laterals(draw: st.DrawFn, building: Building) -> Query:
    """Each row beside what another reference had then: the instant may be a column of the row."""
    left = draw(references(building, named=True))
    right = draw(references(building, beside=left, named=True))
    (a, i), (b, j) = left.number(), right.number()
    select, kinds, places = draw(picked([left, right]))
    way = draw(st.sampled_from([", {}", ", LATERAL {}", " CROSS JOIN {}", " JOIN LATERAL {} ON {}",
                                " LEFT JOIN LATERAL {} ON {}", "sub-query"]))  # fmt: skip
    on = f"{a} = {b}"
    if way == "sub-query":
        inner = f"SELECT * FROM {right.sql} WHERE {on}"
        sql = f"{left.sql}, LATERAL ({inner}) AS {right.name}"
    else:
        sql = left.sql + way.format(right.sql, on)

    def rows(data: Data) -> list[Row]:
        found = []
        for x in left.rows(data, ()):
            beside = [y for y in right.rows(data, x)
                      if not ("ON" in way or way == "sub-query") or x[i] == y[j]]  # fmt: skip
            if not beside and way.startswith(" LEFT"):
                beside = [(None,) * len(right.columns)]
            found += [tuple((x + y)[place] for place in places) for y in beside]
        return found

    return Query(f"SELECT {select} FROM {sql}", kinds, rows)


@st.composite
def conditions(draw: st.DrawFn, building: Building) -> Query:
    """A reference whose rows another one, in a sub-query, lets pass or counts."""
    outer, inner = draw(references(building)), draw(references(building, named=True))
    (a, i), (b, j) = outer.number(), inner.number()
    select, kinds, places = draw(picked([outer]))
    way = draw(st.sampled_from(["IN", "NOT IN", "EXISTS", "NOT EXISTS", "count"]))
    matching = f"FROM {inner.sql} WHERE {a} = {b}"
    where = f"{way} (SELECT {matching})"
    if way.endswith("IN"):
        where = f"{a} {way} (SELECT {b} FROM {inner.sql})"
    counted = f", (SELECT count(*) {matching})" if way == "count" else ""
    sql = f"SELECT {select}{counted} FROM {outer.sql}"

    def rows(data: Data) -> list[Row]:
        keys = Counter(y[j] for y in inner.rows(data, ()))
        found = [(tuple(x[place] for place in places), keys[x[i]]) for x in outer.rows(data, ())]
        if way == "count":
            return [(*row, count) for row, count in found]
        return [row for row, count in found if bool(count) is not way.startswith("NOT")]

    return Query(sql if counted else f"{sql} WHERE {where}", kinds + ["number"] * bool(counted), rows)


@st.composite
def set_operations(draw: st.DrawFn, building: Building) -> Query:
    one, other = (draw(references(building)) for _ in range(2))
    (a, i), (b, j) = one.number(), other.number()
    word = draw(st.sampled_from(["UNION", "INTERSECT", "EXCEPT"])) + draw(st.sampled_from(["", " ALL"]))

    def rows(data: Data) -> list[Row]:
        x = Counter((row[i],) for row in one.rows(data, ()))
        y = Counter((row[j],) for row in other.rows(data, ()))
        if not word.endswith("ALL"):
            x, y = Counter(set(x)), Counter(set(y))
        found = {"U": x + y, "I": x & y, "E": x - y}[word[0]]
        return list(found.elements() if word.endswith("ALL") else found)

    ours = f"SELECT {a} FROM {one.sql}"
    ours = f"({ours})" if draw(st.booleans()) else ours
    return Query(f"{ours}\n{word} SELECT {b} FROM {other.sql}", ["number"], rows)


SIMPLE = [one_reference, joins, laterals, conditions, set_operations]


@st.composite
def within(draw: st.DrawFn, building: Building) -> Query:
    """Another statement in a WITH, in FROM or added up, beside one more reference or alone."""
    inner = draw(draw(st.sampled_from(SIMPLE))(building))
    name = building.name()
    listed = ", ".join(f"x{i}" for i in range(len(inner.kinds)))
    way = draw(st.sampled_from(["WITH", "WITH MATERIALIZED", "FROM", "count"]))
    if way == "count":
        return Query(f"SELECT count(*) FROM ({inner.sql}) AS {name}", ["number"],
                     lambda data: [(len(inner.rows(data)),)])  # fmt: skip
    beside = draw(st.none() | references(building, named=True))
    source = f"({inner.sql}) AS {name} ({listed})"
    front = ""
    if way.startswith("WITH"):
        front = f"WITH {name} ({listed}) AS {way[5:]} (\n{inner.sql}\n)\n"
        source = name
    if beside is None:
        return Query(f"{front}SELECT * FROM {source}", inner.kinds, inner.rows)
    column, index = beside.number()
    return Query(
        f"{front}SELECT {name}.*, {column} FROM {source}, {beside.sql}",
        [*inner.kinds, "number"],
        lambda data: [(*row, other[index])
                      for row in inner.rows(data) for other in beside.rows(data, ())],
    )  # fmt: skip


@st.composite
def statements(draw: st.DrawFn) -> tuple[Query, dict[str, datetime]]:
    """A statement and the values of its binds."""
    building = Building()
    query = draw(draw(st.sampled_from([*SIMPLE, within]))(building))
    return query, building.binds


def answer(rows: list[Row]) -> Counter[Row]:
    """PostgreSQL's rows as the model has them: an instant as seconds, infinity as that."""
    return Counter(tuple(_plain(value) for value in row) for row in rows)


def _plain(value: object) -> object:
    if not isinstance(value, datetime):
        return value
    return inf if value.year == 9999 else (value - EPOCH) / timedelta(seconds=1)
