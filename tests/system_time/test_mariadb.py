"""MariaDB gives the same versions to the same questions."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from mariadb import MISSING, MariaDB, installed, own_mariadb
from psycopg2.extensions import connection as Connection
from sqlalchemy import URL

from medallion_lib import server
from medallion_lib.system_time import functions
from medallion_lib.system_time import rewrite

pytestmark = pytest.mark.skipif(not installed(), reason=MISSING)

EPOCH = datetime(2023, 7, 1, tzinfo=UTC)
QUARTERS = 10  # seconds: a double holds these, and @@timestamp is one
MICROSECOND = timedelta(microseconds=1)
TABLE = """CREATE TABLE account (
    id int PRIMARY KEY, amount int,
    sys_start timestamp(6) GENERATED ALWAYS AS ROW START,
    sys_end timestamp(6) GENERATED ALWAYS AS ROW END,
    PERIOD FOR SYSTEM_TIME (sys_start, sys_end)
) WITH SYSTEM VERSIONING"""
OURS = """CREATE SCHEMA silver; SET TimeZone = 'UTC'; SET search_path = silver;
CREATE TABLE account (id int, amount int, sys_start timestamptz, sys_end timestamptz);
CREATE VIEW account_now AS
    SELECT id, amount, sys_start FROM account WHERE sys_end = 'infinity';"""
NEVER = "2038-01-19 03:14:07.999999"  # as long as MariaDB 10.11 counts

Version = tuple[int, int, str, str]
Rows = dict[int, list[str]]  # by the number of the question


@dataclass
class Judges:
    """One history in both."""

    theirs: MariaDB
    ours: Connection
    boundaries: list[datetime]

    @property
    def instants(self) -> list[str]:
        """On, just before and just after each boundary."""
        return [text(at + beside * MICROSECOND) for at in self.boundaries for beside in (-1, 0, 1)]


def text(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S.%f")


@pytest.fixture(scope="module")
def judges(spare_url: URL) -> Iterator[Judges]:
    with own_mariadb() as theirs:
        ours = server.connect(spare_url)
        ours.autocommit = True
        with ours.cursor() as cursor:
            cursor.execute(OURS)
        boundaries = load(theirs, ours)
        functions.regenerate(ours)
        yield Judges(theirs, ours, boundaries)
        with ours.cursor() as cursor:
            cursor.execute("DROP SCHEMA silver CASCADE")
        ours.close()


def load(theirs: MariaDB, ours: Connection) -> list[datetime]:
    """Play the same changes into both; the times at which something changed."""
    chance, script, live = random.Random(7), [TABLE], {}
    kept: list[tuple[int, int, datetime, datetime | None]] = []
    times = [EPOCH + timedelta(seconds=quarter / 4) for quarter in range(1, QUARTERS)]
    for at in times:
        script.append(f"SET @@timestamp = {at.timestamp()}")
        for key in chance.sample(range(6), chance.randint(1, 3)):
            amount = chance.randint(1, 1000)
            before = live.pop(key, None)
            if before:
                kept.append((key, *before, at))
            if before and chance.random() < 0.3:
                script.append(f"DELETE FROM account WHERE id = {key}")
                continue
            live[key] = (amount, at)
            script.append(f"UPDATE account SET amount = {amount} WHERE id = {key}" if before else
                          f"INSERT INTO account (id, amount) VALUES ({key}, {amount})")  # fmt: skip
    kept += [(key, *row, None) for key, row in live.items()]
    theirs.run(";\n".join([*script, "SET @@timestamp = DEFAULT"]))
    with ours.cursor() as cursor:
        for row in kept:
            cursor.execute("INSERT INTO account VALUES (%s, %s, %s, coalesce(%s, timestamptz 'infinity'))", row)
    return times


def ask_theirs(judges: Judges, clauses: list[str], where: str = "") -> list[list[Version]]:
    answers: list[list[Version]] = [[] for _ in clauses]
    columns = "id, amount, sys_start, sys_end"
    script = [f"SELECT {number}, {columns} FROM account {clause} {where}"
              for number, clause in enumerate(clauses)]  # fmt: skip
    for number, key, amount, *times in judges.theirs.run(";\n".join(script)):
        start, end = times
        answers[int(number)].append((int(key), int(amount), start, "never" if end == NEVER else end))
    return [sorted(answer) for answer in answers]


def ask_ours(judges: Judges, clauses: list[str], table: str = "account") -> list[list[Version]]:
    end = "to_char(sys_end, 'YYYY-MM-DD HH24:MI:SS.US')"
    columns = f"id, amount, to_char(sys_start, 'YYYY-MM-DD HH24:MI:SS.US'), coalesce({end}, 'never')"
    answers = []
    with judges.ours.cursor() as cursor:
        for clause in clauses:
            cursor.execute(rewrite(f"SELECT {columns} FROM {table} {clause}"))
            answers.append(sorted(cursor.fetchall()))
    return answers


def clauses(form: str, *instants: list[str]) -> list[str]:
    """As both understand them."""
    quoted = [[f"TIMESTAMP '{at}'" for at in each] for each in instants]
    return [f"FOR SYSTEM_TIME {form.format(*given)}" for given in product(*quoted)]


def differences(judges: Judges, asked: list[str]) -> list[str]:
    found = zip(asked, ask_ours(judges, asked), ask_theirs(judges, asked), strict=True)
    return [f"{clause}: {ours} and not {theirs}" for clause, ours, theirs in found if ours != theirs]


def test_both_have_the_same_versions(judges: Judges) -> None:
    assert differences(judges, ["FOR SYSTEM_TIME ALL"]) == []
    [every] = ask_ours(judges, ["FOR SYSTEM_TIME ALL"])
    assert len(every) > 12 and len({version[0] for version in every}) == 6
    assert {end == "never" for *_, end in every} == {True, False}


def test_as_of(judges: Judges) -> None:
    asked = clauses("AS OF {}", judges.instants)
    assert differences(judges, asked) == []
    assert len({str(answer) for answer in ask_ours(judges, asked)}) == len(judges.boundaries) + 1


def periods(judges: Judges, form: str) -> list[str]:
    """From and to all instants: those that are empty and that run backwards, too."""
    return clauses(form, judges.instants, judges.instants)


@pytest.mark.parametrize("form", ["FROM {} TO {}", "BETWEEN {} AND {}"])
def test_over_a_period_which_may_run_backwards(judges: Judges, form: str) -> None:
    assert differences(judges, periods(judges, form)) == []
    first, last = text(judges.boundaries[0]), text(judges.boundaries[-1])
    assert ask_ours(judges, clauses(form, [last], [first])) == [[]]
    assert all(ask_ours(judges, clauses(form, [first], [last])))


def test_symmetric_is_between_in_either_order(judges: Judges) -> None:
    """MariaDB does not have this word, which is the standard's."""
    pairs = list(product(judges.instants, judges.instants))
    theirs = [clause for pair in pairs
              for clause in clauses("BETWEEN {} AND {}", *([at] for at in sorted(pair)))]  # fmt: skip
    for words in ("BETWEEN SYMMETRIC {} AND {}", "BETWEEN ASYMMETRIC {} AND {}"):
        given = pairs if " SYM" in words else [tuple(sorted(pair)) for pair in pairs]
        ours = [clause for pair in given for clause in clauses(words, *([at] for at in pair))]
        assert ask_ours(judges, ours) == ask_theirs(judges, theirs)


def test_contained_in_is_what_its_period_columns_say(judges: Judges) -> None:
    """MariaDB does not have this form, which is SQL Server's."""
    pairs = list(product(judges.instants, judges.instants))
    asked = [clause for a, b in pairs for clause in clauses("CONTAINED IN ({}, {})", [a], [b])]
    [every] = ask_theirs(judges, ["FOR SYSTEM_TIME ALL"])
    for (a, b), answer in zip(pairs, ask_ours(judges, asked), strict=True):
        assert answer == [version for version in every if a <= version[2] and version[3] <= b]


def test_the_view_of_current_rows_has_their_versions_too(judges: Judges) -> None:
    for form in ("FROM {} TO {}", "BETWEEN {} AND {}"):
        asked = periods(judges, form)[::7]
        with judges.ours.cursor() as cursor:
            for clause, theirs in zip(asked, ask_theirs(judges, asked), strict=True):
                cursor.execute(rewrite(f"SELECT id, amount FROM account_now {clause}"))
                assert sorted(cursor.fetchall()) == sorted(version[:2] for version in theirs)
