"""What others have made of silver is there again, as it was, after a rebuild or a wider column."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from typing import NamedTuple

import psycopg2
import pytest
from evolving import asked, begin, end, run
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from medallion_lib import Medallion, MedallionError, databases
from medallion_lib.system_time.forms import FORMS
from medallion_lib.tables import Table

pytestmark = pytest.mark.long(1)

ROWS = [(1, 10, "a"), (2, 20, "b"), (3, None, None)]
THING = """
CREATE TABLE thing (id integer PRIMARY KEY, size smallint, note varchar(5000));
INSERT INTO thing VALUES (1, 10, 'a'), (2, 20, 'b'), (3, NULL, NULL)
"""
OF_ANY = (
    "COMMENT ON {kind} {name} IS '100 % of ''it''.'", "COMMENT ON COLUMN {name}.note IS 'Its {{note}}.'",
    "GRANT SELECT, DELETE ON {name} TO PUBLIC", "GRANT MAINTAIN ON {name} TO pg_read_all_data WITH GRANT OPTION", "GRANT SELECT (id) ON {name} TO medallion_notebook",
    "ALTER {kind} {name} OWNER TO medallion_notebook",
)  # fmt: skip
OF_STORED = (
    'CREATE INDEX "{number} by id" ON {name} (id, lower(note) DESC) WITH (fillfactor = 70) WHERE id > 0; '
    "COMMENT ON INDEX scratch.\"{number} by id\" IS 'Found by it.'",
    "CREATE INDEX in_{number} ON {name} ((size + 1)) INCLUDE (note); ALTER INDEX scratch.in_{number} ALTER 1 SET STATISTICS 7; "
    "ALTER MATERIALIZED VIEW {name} CLUSTER ON in_{number}",
    "ALTER MATERIALIZED VIEW {name} ALTER size SET STATISTICS 9", "ALTER MATERIALIZED VIEW {name} ALTER size SET (n_distinct = 3)",
    "ALTER MATERIALIZED VIEW {name} ALTER note SET STORAGE EXTERNAL, ALTER note SET COMPRESSION pglz",
    "ALTER MATERIALIZED VIEW {name} SET (autovacuum_enabled = false, toast.autovacuum_enabled = false)",
    "CREATE STATISTICS scratch.of_{number} (mcv) ON size, (size * 2), note FROM {name}; ALTER STATISTICS scratch.of_{number} SET STATISTICS 8; "
    "COMMENT ON STATISTICS scratch.of_{number} IS 'Of both.'; ALTER STATISTICS scratch.of_{number} OWNER TO medallion_notebook",
)


BEHIND = rf".*({'|'.join(form.suffix for form in FORMS)})\"?\("


class Reader(NamedTuple):
    """A view, perhaps a materialized one, of silver or of earlier readers, and what is said of it."""

    is_stored: bool
    is_filled: bool
    parents: tuple[int, ...]  # counted back from itself; beyond the first is silver's
    calls: bool  # a function that reads its first parent
    of_any: tuple[str, ...]
    of_stored: tuple[str, ...]


def some(of: tuple[str, ...]) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(st.sampled_from(of), max_size=4, unique=True).map(tuple)


READERS = st.lists(
    st.builds(Reader, st.booleans(), st.sampled_from([True, True, True, False]),
              st.lists(st.integers(1, 4), min_size=1, max_size=2).map(tuple), st.booleans(), some(OF_ANY), some(OF_STORED)),
    min_size=1, max_size=6,
)  # fmt: skip


# With all that can be said of one.
ALL = [Reader(True, True, (1,), True, OF_ANY, OF_STORED), Reader(True, False, (1, 2), True, OF_ANY[:4], OF_STORED),
       Reader(False, True, (2,), True, OF_ANY, ())]  # fmt: skip


class Made:
    """The readers in a warehouse, and which rows each must have."""

    def __init__(self, lab: Medallion, readers: list[Reader]) -> None:
        self.lab, self.readers = lab, readers
        for number in range(len(readers)):
            asked(lab, self._statements(number))

    def name(self, number: int) -> str:
        return f'scratch."{number} of {{it}} 100%"' if number >= 0 else "silver.thing"

    def parents(self, number: int) -> list[int]:
        return [max(-1, number - back) for back in self.readers[number].parents]

    def is_filled(self, number: int) -> bool:
        """Whether it can be read: one that is stored has rows, and so has each below it."""
        return number < 0 or (
            (self.readers[number].is_filled or not self.readers[number].is_stored)
            and all(map(self.is_filled, self.parents(number))))  # fmt: skip

    def _statements(self, number: int) -> str:
        its, (first, *_) = self.readers[number], self.parents(number)
        name, calls = self.name(number), f"scratch.f{number}()"
        kind = "MATERIALIZED VIEW" if its.is_stored else "VIEW"
        query = " UNION ALL ".join(f"SELECT id, size, note FROM {self.name(each)} AS of_{place}" for place, each in enumerate(self.parents(number)))
        if its.calls:
            query = f"SELECT * FROM ({query}) AS its WHERE {calls} >= 0"
        parts = [f"CREATE {kind} {name} AS {query}" + (f" WITH {'' if self.is_filled(number) else 'NO '}DATA" if its.is_stored else "")]
        if its.calls:
            parts.insert(0, f"CREATE FUNCTION {calls} RETURNS bigint BEGIN ATOMIC SELECT count(*) FROM {self.name(first)}; END; "
                            f"COMMENT ON FUNCTION {calls} IS 'How many.'")  # fmt: skip
        parts.append(f"GRANT SELECT ON {name} TO medallion_notebook")  # who owns one above it reads it
        told = its.of_any + (its.of_stored if its.is_stored else ())
        return "; ".join([*parts, *(each.format(kind=kind, name=name, number=number) for each in told)])

    def expected(self, number: int, now: list[tuple], refreshed: list[tuple]) -> list[tuple]:
        """What is stored is of the last refresh, and so is what is above it."""
        if number < 0:
            return now
        base = refreshed if self.readers[number].is_stored else now
        return [row for each in self.parents(number) for row in self.expected(each, base, refreshed)]

    def check(self, before: list[str], now: list[tuple], refreshed: list[tuple]) -> None:
        assert dump(self.lab) == before
        for number in range(len(self.readers)):
            query = f"SELECT id, size, note FROM {self.name(number)}"
            if self.is_filled(number):
                assert sorted(asked(self.lab, query), key=str) == sorted(self.expected(number, now, refreshed), key=str)
            else:
                with pytest.raises(psycopg2.OperationalError, match="has not been populated"):
                    asked(self.lab, query)


def dump(lab: Medallion) -> list[str]:
    """All that pg_dump says of schema scratch, also which materialized views it would refresh.

    Sorted, as its order, and where it sets what, depend on the catalog's numbers. What stands behind
    the clause is left out: a rebuild makes that anew, for readers that had none.
    """
    asking = [str(lab.place.binaries / "pg_dump"), "-h", str(lab.place.socket_dir), "-U", "medallion", "-n", "scratch", lab.warehouse_name]
    told = subprocess.run(asking, capture_output=True, check=True, env=os.environ | {"LC_ALL": "C.UTF-8"}, text=True).stdout
    parts = re.sub(r"^(\\(un)?restrict|SET) .*$", "", told, flags=re.MULTILINE).split("\n--\n-- Name: ")
    return sorted(part.strip("\n -") for part in parts if not re.match(BEHIND, part))


@pytest.fixture(scope="module")
def lab() -> Iterator[Medallion]:
    lab = Medallion.open(f"readers_{os.environ.get('PYTEST_XDIST_WORKER', 'one')}")
    yield lab
    end(lab)


def comes_again(lab: Medallion, readers: list[Reader], is_rebuilt: bool) -> None:
    begin(lab, THING, Table("thing", ("id",), history="thing_hist"))
    made = Made(lab, readers)
    before = dump(lab)
    if is_rebuilt:
        run(lab, "UPDATE thing SET size = 11 WHERE id = 1")
        now = [(1, 11, "a"), *ROWS[1:]]
        lab.capture(merging=True)
        made.check(before, now, ROWS)
        assert [(each.lost, each.gained) for each in lab.rebuild()] == [(0, 0)]
        made.check(before, now, now)
    else:
        run(lab, "ALTER TABLE thing ALTER size TYPE bigint, ALTER note TYPE varchar(9000); UPDATE thing SET size = 3000000000 WHERE id = 1")
        lab.capture(merging=True)
        made.check(before, [(1, 3_000_000_000, "a"), *ROWS[1:]], ROWS)
    assert lab.verify() == []


KINDLY = {"phases": [Phase.explicit, Phase.generate], "deadline": None, "derandomize": True, "database": None, "suppress_health_check": list(HealthCheck)}


@settings(max_examples=4, **KINDLY)
@given(readers=READERS, is_rebuilt=st.booleans())
@example(readers=ALL, is_rebuilt=True)
@example(readers=ALL, is_rebuilt=False)
def test_what_reads_silver_is_there_again_as_it_was(lab: Medallion, readers: list[Reader], is_rebuilt: bool) -> None:
    """Views, materialized views and functions, one above the other; pg_dump says the same of them."""
    comes_again(lab, readers, is_rebuilt)


@pytest.mark.slow
@settings(max_examples=300, **KINDLY)
@given(readers=READERS, is_rebuilt=st.booleans())
def test_what_reads_silver_is_there_again_in_many_more_forms(lab: Medallion, readers: list[Reader], is_rebuilt: bool) -> None:
    comes_again(lab, readers, is_rebuilt)


@pytest.mark.parametrize(("made", "named"), [
    # Filled while the one below it was: now only a refresh of that could fill it again.
    ("CREATE MATERIALIZED VIEW scratch.below AS TABLE silver.thing; CREATE MATERIALIZED VIEW scratch.above AS TABLE scratch.below; "
     "REFRESH MATERIALIZED VIEW scratch.below WITH NO DATA", 'materialized view "below" has not been populated'),
    ("CREATE MATERIALIZED VIEW scratch.once AS SELECT 1 / (size - 11) AS x FROM silver.thing", "division by zero"),
    ("CREATE MATERIALIZED VIEW scratch.one AS SELECT size > 10 AS x FROM silver.thing; CREATE UNIQUE INDEX only_one ON scratch.one (x)",
     'could not create unique index "only_one"'),
])  # fmt: skip
def test_one_that_can_not_be_filled_again_is_named_and_nothing_is_changed(lab: Medallion, made: str, named: str) -> None:
    begin(lab, THING, Table("thing", ("id",), history="thing_hist"))
    asked(lab, made)
    run(lab, "UPDATE thing SET size = 11 WHERE id = 1")
    lab.capture(merging=True)
    before = dump(lab)
    with pytest.raises(MedallionError, match=f"Silver was left as it is(.|\n)*{named}"):
        lab.rebuild()
    assert dump(lab) == before
    assert asked(lab, "SELECT size FROM silver.thing ORDER BY id") == [(11,), (20,), (None,)]


def test_what_is_stored_stays_in_its_tablespace(lab: Medallion) -> None:
    begin(lab, THING, Table("thing", ("id",), history="thing_hist"))
    with databases.administering(lab.warehouse_url) as cursor:
        cursor.execute("SET allow_in_place_tablespaces = on")
        cursor.execute(f"CREATE TABLESPACE {lab.name} LOCATION ''")
    try:
        asked(lab, f"CREATE MATERIALIZED VIEW scratch.kept TABLESPACE {lab.name} AS TABLE silver.thing; "
                   f"CREATE INDEX kept_id ON scratch.kept (id) TABLESPACE {lab.name}; CREATE INDEX elsewhere ON scratch.kept (size)")  # fmt: skip
        lab.rebuild()
        assert asked(lab, "SELECT relname::text FROM pg_class JOIN pg_tablespace ON pg_tablespace.oid = reltablespace "
                          f"WHERE spcname = '{lab.name}' AND relkind IN ('m', 'i') AND relname !~ 'toast' ORDER BY 1") == [("kept",), ("kept_id",)]  # fmt: skip
    finally:
        asked(lab, "DROP MATERIALIZED VIEW scratch.kept CASCADE")
        with databases.administering(lab.warehouse_url) as cursor:
            cursor.execute(f"DROP TABLESPACE {lab.name}")
