"""The star schema adds up to the marts and to the source."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import star_rules
from declared import differences as undeclared
from declared import keys, mappers, printed, untyped
from oracle import Items, items_at, read_events, read_opening
from sqlalchemy import text
from sqlalchemy.orm import Session
from versioned_project import invoke
from year import DATA, MARTS, MICROSECOND, as_of, compare, copy_of, own_lab

from medallion_lib import Medallion, MedallionError
from medallion_lib.shop import star
from medallion_lib.shop.star import runs

pytestmark = pytest.mark.long(3)

pytest.importorskip("dbt.include.postgres", reason="dbt is an extra: make .venv/star-ready")
ROOT = Path(__file__).parents[2]
INSTANTS = [datetime(2023, month, 1, tzinfo=UTC) for month in (2, 4, 7, 9, 10)]
INSTANTS.insert(3, datetime(2023, 7, 9, 12, 0, 0, tzinfo=UTC))  # late payments are being posted
END = datetime(2024, 1, 1, tzinfo=UTC)

# The marts, as the star adds them up; their columns are those of tests/oracle.py.
FROM_STAR = {
    "vw_monthly_revenue": """
        SELECT store_id, date_trunc('month', paid_day)::date, sum(amount), count(*),
               round(sum(amount) / count(*), 2), count(DISTINCT customer_id)
        FROM star.fact_payment GROUP BY 1, 2""",
    "vw_top_titles": """
        SELECT film_id, title, rating, rental_rate, first_of_month, count(*), sum(amount),
               round(sum(amount) / count(*), 2),
               round(avg(extract(epoch FROM returned_at - rented_at)) / 86400, 2),
               count(*) FILTER (WHERE NOT is_returned),
               round(count(*)::numeric / count(DISTINCT inventory_id), 2)
        FROM star.fact_rental
        JOIN star.dim_date ON date_day = rented_day
        LEFT JOIN star.dim_film USING (film_id) GROUP BY 1, 2, 3, 4, 5""",
    "vw_store_scorecard": """
        WITH paid AS (
            SELECT store_id, paid_day AS day, sum(amount) AS revenue FROM star.fact_payment GROUP BY 1, 2
        ), rented AS (
            SELECT store_id, rented_day AS day, count(*) AS rentals, count(DISTINCT film_id) AS titles,
                   count(*) FILTER (WHERE is_returned) AS back,
                   count(*) FILTER (WHERE is_late_return) AS late, round(avg(rental_rate), 2) AS rate
            FROM star.fact_rental LEFT JOIN star.dim_film USING (film_id) GROUP BY 1, 2
        ), visited AS (
            SELECT store_id, day, count(DISTINCT customer_id) AS customers
            FROM (SELECT store_id, paid_day AS day, customer_id FROM star.fact_payment
                  UNION ALL SELECT store_id, rented_day, customer_id FROM star.fact_rental) AS visit
            GROUP BY 1, 2
        )
        SELECT store_id, day, coalesce(revenue, 0), coalesce(rentals, 0), customers,
               coalesce(titles, 0), coalesce(back, 0), coalesce(late, 0),
               round(100.0 * late / nullif(back, 0), 2), rate
        FROM visited LEFT JOIN paid USING (store_id, day) LEFT JOIN rented USING (store_id, day)""",
}

# What a dimension is made of, at the source and in the star: the same rows.
FLAT = """address, address2, district, city, postal_code, country, phone"""
JOINED = "JOIN address USING (address_id) JOIN city USING (city_id) JOIN country USING (country_id)"
FLATTENED = {
    "customer": (
        f"SELECT customer_id, first_name, last_name, email, activebool, store_id, create_date, {FLAT} FROM customer {JOINED}",
        "SELECT customer_id, first_name, last_name, email, is_active, home_store_id, customer_since, "
        f"{FLAT} FROM star.dim_customer",
    ),
    "store": (
        f"SELECT store_id, manager_staff_id, {FLAT} FROM store {JOINED}",
        f"SELECT store_id, manager_staff_id, {FLAT} FROM star.dim_store",
    ),
    "staff": (
        f"SELECT staff_id, first_name, last_name, email, store_id, active, city, country FROM staff {JOINED}",
        "SELECT staff_id, first_name, last_name, email, store_id, is_active, city, country FROM star.dim_staff",
    ),
    "film": (
        "SELECT film_id, title, trim(name) AS language, rating::text, 'Bloopers' = ANY (special_features), "
        "ARRAY(SELECT name FROM film_category JOIN category USING (category_id) "
        "      WHERE film_id = film.film_id ORDER BY name)::text, "
        "ARRAY(SELECT first_name || ' ' || last_name FROM film_actor JOIN actor USING (actor_id) "
        "      WHERE film_id = film.film_id ORDER BY 1)::text "
        "FROM film JOIN language USING (language_id)",
        "SELECT film_id, title, language, rating, has_bloopers, categories::text, actors::text FROM star.dim_film",
    ),
}  # fmt: skip


@dataclass
class Stage:
    """An instant, and what the source held then."""

    instant: datetime
    copy: dict[str, list[dict[str, Any]]] = field(repr=False)
    items: Items = field(repr=False)
    flat: dict[str, list[tuple[Any, ...]]] = field(repr=False)

    @property
    def film_of(self) -> dict[int, int]:
        return {rental: film for rental, (film, _) in self.items.rental_item.items()}

    def mart(self, name: str) -> Counter[tuple[Any, ...]]:
        return Counter(tuple(row.values()) for row in MARTS[name](self.copy, self.items))


@dataclass
class Star:
    """The year in a warehouse with the star's tables, and dbt's own answer to the last run."""

    lab: Medallion
    stages: list[Stage]
    now: Stage
    manifest: Any

    def build(self, *command: str, as_of: str = "") -> Any:
        """In this process, on the manifest that was parsed once: a third of the time."""
        told = ["--vars", json.dumps({"as_of": as_of}), "--log-level", "none"]
        done = invoke([*command, *told], self.manifest)
        assert done.success, done
        return done.result

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return asked(self.lab.warehouse, sql)


def asked(engine: Any, sql: str) -> list[tuple[Any, ...]]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(sql.replace(":", r"\:")))]


@pytest.fixture(scope="module")
def year(request: pytest.FixtureRequest) -> Iterator[Star]:
    """A source copied in stages; then the prepared year, built and tested by dbt as `dbt build` does.

    Chapter 6 begins with that one too, so that `make test` prepares it once.
    """
    asked_for = INSTANTS if any("[six]" in each.name for each in request.session.items) else INSTANTS[2:3]
    *known, last = items_at(read_opening(DATA), read_events(DATA), [*asked_for, END])
    with own_lab("star", star.TABLES) as lab, pytest.MonkeyPatch.context() as patch:
        stages = []
        for instant, items in zip(asked_for, known, strict=True):
            lab.replay(until=instant + MICROSECOND)
            stages.append(stage(lab, instant, items))
        lab.reset(year=True)
        now = stage(lab, END, last)
        for name, value in runs.environment(lab).items():
            patch.setenv(name, value)
        manifest = invoke(["parse", "--log-level", "none"]).result
        built = Star(lab, stages, now, manifest)
        assert {str(result.status) for result in built.build("build")} == {"success", "pass", "no-op"}
        yield built


def stage(lab: Medallion, instant: datetime, items: Items) -> Stage:
    flat = {name: asked(lab.source, at_source) for name, (at_source, _) in FLATTENED.items()}
    return Stage(instant, copy_of(lab), items, flat)


def differences(built: Star, stage: Stage) -> list[str]:
    """What the star has otherwise than the source had: marts, dimensions, money and metrics."""
    found = {f"{name} of the star": compare(Counter(built.rows(FROM_STAR[name])), stage.mart(name))
             for name in MARTS}
    found |= {f"dim_{name}": compare(Counter(built.rows(in_star)), Counter(stage.flat[name]))
              for name, (_, in_star) in FLATTENED.items()}
    total = sum(payment["amount"] for payment in stage.copy["payment"])
    money = built.rows("SELECT (SELECT sum(amount) FROM star.fact_payment), (SELECT sum(amount) FROM star.fact_rental), "
                       "(SELECT sum(lifetime_value) FROM star.dim_customer), (SELECT sum(revenue) FROM star.dim_film)")
    found["money"] = "" if money == [(total,) * 4] else f"{money}, not {total}"
    genres = dict(built.rows("SELECT film_id, categories FROM star.dim_film"))
    at = built.rows("SELECT DISTINCT as_of FROM star.customer_metrics")[0][0]
    wanted = star_rules.metrics(stage.copy, stage.film_of, genres, at)
    metrics = {key: tuple(row) for key, *row in built.rows(
        "SELECT customer_id, recency_days, frequency, money, tier, churn_risk, segment, offer, offered_film_id "
        "FROM star.customer_metrics")}  # fmt: skip
    found["metrics"] = str([(key, metrics.get(key), row) for key, row in wanted.items() if metrics.get(key) != row][:3]
                           if metrics != wanted else "")
    popular = star_rules.popularity(stage.copy, stage.film_of, at)
    films = {key: tuple(row) for key, *row in built.rows(
        "SELECT film_id, recent_rentals, popularity FROM star.dim_film")}  # fmt: skip
    found["popularity"] = "" if films == popular else "differs"
    return [f"{name} as of {stage.instant}: {difference}" for name, difference in found.items() if difference]


def test_the_star_is_the_source_now_to_the_cent(year: Star) -> None:
    assert differences(year, year.now) == []
    assert len(year.rows("SELECT DISTINCT as_of FROM star.customer_metrics")) == 1


# The board pack's day in make test; each run of dbt takes seconds.
@pytest.mark.parametrize("instants", [INSTANTS[2:3], pytest.param(INSTANTS, marks=pytest.mark.slow)], ids=["one", "six"])
def test_the_star_is_the_source_as_of_instants_to_the_cent(
    year: Star, instants: list[datetime], record_property: Callable[[str, object], None]
) -> None:
    wrong = []
    stages = [stage for stage in year.stages if stage.instant in instants]
    for stage in stages:
        year.build("run", as_of=stage.instant.isoformat())
        assert year.rows("SELECT DISTINCT as_of FROM star.customer_metrics") == [(stage.instant,)]
        wrong += differences(year, stage)
        wrong += [f"{name} as of {stage.instant}: {told}" for name in MARTS
                  if (told := compare(Counter(year.rows(FROM_STAR[name])), as_of(year.lab, name, stage.instant)))]
    assert wrong == []
    assert len(stages) == len(instants)
    record_property("instants", len(stages))


def test_lineage_goes_layer_by_layer(year: Star) -> None:
    manifest = json.loads((runs.place(year.lab) / "manifest.json").read_text(encoding="utf-8"))
    nodes = manifest["nodes"] | manifest["sources"]
    reads = {
        "source": set(), "seed": set(), "staging": {"source"},
        "intermediate": {"staging"}, "star": {"staging", "intermediate", "star", "seed"},
    }  # fmt: skip

    def layer(key: str) -> str:
        node = nodes[key]
        return node["fqn"][1] if node["resource_type"] == "model" else node["resource_type"]

    models = [key for key, node in manifest["nodes"].items() if node["resource_type"] == "model"]
    assert len(models) > 20 and {layer(key) for key in models} == {"staging", "intermediate", "star"}
    for key in models:
        found = {layer(each) for each in nodes[key]["depends_on"]["nodes"]}
        assert found <= reads[layer(key)], (key, found)
        # And no relation is named past ref() and source().
        code = nodes[key]["raw_code"].lower()
        assert not any(f"{word} {place}." in code for word in ("from", "join")
                       for place in ("silver", "silver_star", "bronze", "star", "meta")), key
    assert manifest["metadata"]["send_anonymous_usage_stats"] is False


def test_every_model_and_column_is_described_as_it_is(year: Star) -> None:
    manifest = json.loads((runs.place(year.lab) / "manifest.json").read_text(encoding="utf-8"))
    told = {(node["schema"], node["name"], column["name"]): column["description"]
            for node in manifest["nodes"].values() if node["resource_type"] in ("model", "seed")
            for column in node["columns"].values()}
    there = set(year.rows("SELECT table_schema, table_name, column_name FROM information_schema.columns "
                          "WHERE table_schema IN ('star', 'star_staging')"))
    assert there == set(told) and all(told.values())
    assert all(each["description"] for kind in ("nodes", "sources", "exposures")
               for each in manifest[kind].values() if each["resource_type"] != "test")
    assert {each["name"] for each in manifest["exposures"].values()} >= {"star_schema_chapter", *MARTS}


SCHEMAS = ("bronze_star", "silver_star", "star")


def test_each_model_in_python_is_its_table_or_view(year: Star) -> None:
    made = printed(year.lab.warehouse, *SCHEMAS)
    assert len(mappers(made)) == 3 * len(star.FURTHER.each) + 8
    with Session(year.lab.warehouse) as session:
        wrong = undeclared(session.connection(), made, *SCHEMAS)
        wrong += [each for model in mappers(made) for each in untyped(session, model)]
    assert wrong == []


SEGMENTS = {"loyal", "regular", "at risk", "new", "never rented", "left"}
TIERS = {"top", "middle", "base", "none"}
VALUES = {
    ("dim_customer", "tier"): TIERS, ("customer_metrics", "tier"): TIERS, ("customer_metrics", "segment"): SEGMENTS,
    ("customer_metrics", "offer"): {"none", "reminder", "first rental", "welcome back", "recommendation"},
    ("customer_metrics", "churn_risk"): {"low", "medium", "high", "unknown", "left"},
    ("dim_film", "rating"): {"G", "PG", "PG-13", "R", "NC-17"}, ("dim_film", "popularity"): {"hit", "steady", "dormant"},
}  # fmt: skip
REQUIRED = {
    "dim_date": "date_day is_weekend are_holidays_known",
    "dim_customer": "customer_id is_active city country lifetime_value tier",
    "dim_film": "film_id title language rental_rate categories actors popularity",
    "dim_store": "store_id city country", "dim_staff": "staff_id is_manager",
    "fact_rental": "rental_id rented_at is_returned payments amount", "fact_payment": "payment_id amount",
    "customer_metrics": "customer_id as_of frequency money rentals tier churn_risk segment offer",
}  # fmt: skip


def test_dbt_tests_what_the_catalog_does_not_know_of_the_star(year: Star) -> None:
    """What can't be null, which values a column has, and what is a key."""
    manifest = json.loads((runs.place(year.lab) / "manifest.json").read_text(encoding="utf-8"))
    star_models = {key: node["name"] for key, node in manifest["nodes"].items()
                   if node["resource_type"] == "model" and node["schema"] == "star"}  # fmt: skip
    tested = [(each["test_metadata"], (star_models[each["attached_node"]], each["column_name"]))
              for each in manifest["nodes"].values() if each.get("attached_node") in star_models]
    required = {place for of, place in tested if of["name"] == "not_null"}
    assert required == {(table, column) for table, columns in REQUIRED.items() for column in columns.split()}
    assert {place: set(of["kwargs"]["values"]) for of, place in tested if of["name"] == "accepted_values"} == VALUES
    unique = {place for of, place in tested if of["name"] == "unique"}
    found = mappers(printed(year.lab.warehouse, "star"))
    assert {(model.local_table.name, keys(model)[0]) for model in found} == unique


def test_dbt_can_alter_no_history(year: Star) -> None:
    writable = year.rows("""
        SELECT nspname, relname FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
        WHERE relkind IN ('r', 'p', 'v') AND has_table_privilege('medallion_notebook', pg_class.oid,
              'INSERT, UPDATE, DELETE, TRUNCATE') AND nspname NOT LIKE 'pg%' AND nspname <> 'information_schema'
          AND NOT relrowsecurity  -- where that is, a row asks whether it is its table's owner who writes""")
    assert {schema for schema, _ in writable} == {"star", "star_staging"}


@pytest.mark.slow
def test_a_link_has_a_key_of_both_and_a_withdrawn_film_none(year: Star) -> None:
    (key,) = year.rows("SELECT meta.versioned_key('silver_star.film_actor_hist')")
    assert key == (["actor_id", "film_id"],)
    closed = year.rows("SELECT actor_id, film_id, sys_end::date::text FROM silver_star.film_actor_hist WHERE sys_end < 'infinity'")
    assert closed and len({*closed}) == len(closed)
    assert {end for *_, end in closed} == {"2023-09-12"}
    assert year.lab.verify() == []
    assert {(each.lost, each.gained) for each in year.lab.rebuild()} == {(0, 0)}


# Killed, and without a network


def killed(lab: Medallion, after: int) -> None:
    """Begin a build and end it by SIGKILL once so many nodes are done."""
    cli = [sys.executable, "-P", "-c", "from dbt.cli.main import cli; cli()"]
    run = subprocess.Popen([*cli, "--log-format", "json", "build"], stdout=subprocess.PIPE, text=True,
                           env=os.environ | runs.environment(lab))  # fmt: skip
    with run:
        for line in run.stdout:
            after -= json.loads(line)["info"]["name"] in ("LogModelResult", "LogTestResult")
            if after < 0:
                break
        run.send_signal(signal.SIGKILL)
    assert run.returncode == -signal.SIGKILL


def content(built: Star) -> dict[str, Any]:
    """A checksum of every table that dbt makes; none of what a killed run leaves behind."""
    names = built.rows("SELECT table_schema || '.' || table_name FROM information_schema.tables "
                       "WHERE table_schema IN ('star', 'star_staging') ORDER BY 1")
    return {name: built.rows(f"SELECT count(*), sum(hashtextextended(row::text, 0)) FROM {name} AS row")
            for (name,) in names}


@pytest.mark.slow
def test_a_build_that_was_killed_is_the_same_when_it_is_run_again(year: Star) -> None:
    year.build("build")
    before = content(year)
    for after in (0, 3, 9, 17, 30, 80):
        year.build("run", as_of="2023-07-01")
        killed(year.lab, after)
        star.dbt(year.lab, "build")
        assert content(year) == before, after
    assert len(before) > 20


@pytest.mark.slow
def test_dbt_builds_and_documents_without_a_network(year: Star) -> None:
    if subprocess.run(["unshare", "-rn", "true"], capture_output=True).returncode:
        pytest.skip("no network namespace can be made here")
    catalog = runs.place(year.lab) / "catalog.json"
    catalog.unlink(missing_ok=True)
    cli = ["unshare", "-n", sys.executable, "-P", "-c", "from dbt.cli.main import cli; cli()"]
    for command in (["build"], ["docs", "generate"]):
        done = subprocess.run([*cli, *command], env=os.environ | runs.environment(year.lab),
                              capture_output=True, text=True, timeout=120)  # fmt: skip
        assert done.returncode == 0, done.stdout[-2000:]
    assert json.loads(catalog.read_text(encoding="utf-8"))["nodes"]


BAD_INSTANTS = {
    "yesterday": "as_of is yesterday, which is not an instant", "2023-02-30": "as_of is 2023-02-30, which is not an instant",
    "2023-12-31T22:50:24": "history is final until 2023-12-31T22:50:23+00:00 only", "2999-01-01": "history is final until 2023-12-31",
}  # fmt: skip


@pytest.mark.parametrize("as_of", BAD_INSTANTS)
def test_dbt_run_by_hand_tells_of_an_instant_that_is_none_or_not_final(year: Star, as_of: str) -> None:
    """Built again later, the star of an instant that silver has not reached would be another."""
    words = ["run", "--select", "stg_instant", "--vars", json.dumps({"as_of": as_of}), "--log-level", "none"]
    done = invoke(words, year.manifest)
    assert not done.success and BAD_INSTANTS[as_of] in done.result[0].message, done.result[0].message


def test_a_star_of_an_instant_that_silver_has_not_reached_is_refused(year: Star) -> None:
    with pytest.raises(MedallionError, match=r"^There is no star as of 2999-01-01 00:00:00\+00:00 yet: history is final until 2023-12-31 22:50:23"):
        star.dbt(year.lab, "build", as_of="2999-01-01")
    with pytest.raises(MedallionError, match=r"^'yesterday' is not an instant"):
        star.dbt(year.lab, "build", as_of="yesterday")


@pytest.mark.slow
def test_what_dbt_itself_tells_leaves_no_trace_of_python(year: Star) -> None:
    with pytest.raises(MedallionError) as told:
        star.dbt(year.lab, "run", "--select", "stg_instant", "--target", "nowhere")
    assert "nowhere" in str(told.value) and "Traceback" not in str(told.value) and "dbt.log" in str(told.value)


# What is refused


def test_what_dbt_says_of_a_failure_is_told(year: Star, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    says = tmp_path / "says"
    says.write_text('#!/bin/sh\necho \'{"info": {"name": "X", "level": "error", "msg": "no such column"}}\'\n'
                    "echo broken\nexit 2\n")
    says.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(says))
    with pytest.raises(MedallionError, match=r"dbt build failed:\nno such column\nbroken\n.*dbt\.log"):
        star.dbt(year.lab, "build")


@pytest.fixture
def empty(lab: Medallion) -> Medallion:
    """A warehouse with the star's tables, of which none has a row."""
    lab.declared = star.TABLES
    lab.reset()
    return lab


def test_without_a_merge_there_is_nothing_to_build_on(empty: Medallion) -> None:
    with pytest.raises(MedallionError, match="Nothing has been merged yet"):
        star.dbt(empty, "build")


def test_a_link_is_undone_asked_for_by_its_whole_key_only(year: Star) -> None:
    with pytest.raises(MedallionError, match=r"(?s)Several rows of silver_star\.film_actor_hist.*\(actor_id, film_id\)"):
        year.lab.undo("film_actor_hist", 1, "2023-07-01")
    with pytest.raises(MedallionError, match=r"film_actor \(9, 1\) is as it was .* nothing to undo"):
        year.lab.undo("film_actor_hist", (9, 1), "2023-07-01")


@pytest.mark.slow
def test_a_link_is_undone_by_its_whole_key(empty: Medallion) -> None:
    with empty.source.begin() as shop:
        shop.exec_driver_sql(
            "INSERT INTO language (name) VALUES ('Latin'); INSERT INTO film (title, language_id) VALUES ('One', 1); "
            "INSERT INTO actor (first_name, last_name) VALUES ('A', 'B'), ('C', 'D'); "
            "INSERT INTO film_actor (actor_id, film_id) VALUES (1, 1), (2, 1)")
    empty.capture(merging=True)
    ((at,),) = asked(empty.source, "SELECT clock_timestamp()")
    with empty.source.begin() as shop:
        shop.exec_driver_sql("DELETE FROM film_actor")
    assert empty.undo("film_actor_hist", (1, 1), at).startswith("INSERT INTO")
    assert asked(empty.source, "SELECT actor_id, film_id FROM film_actor") == [(1, 1)]
    assert empty.verify() == []


def test_without_dbt_it_says_how_to_get_it(lab: Medallion, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "find_spec", lambda name: None)
    with pytest.raises(MedallionError, match=r"make \.venv/star-ready"):
        star.dbt(lab, "build")
