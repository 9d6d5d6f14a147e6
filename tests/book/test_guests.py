"""A chapter that makes databases on the user's server drops its own, and nobody else's."""

from __future__ import annotations

from collections.abc import Iterator

import guests
import pytest

from medallion_lib import Medallion, MedallionError, databases

NAME = "guest_of_a_test"


@pytest.fixture(autouse=True)
def _anew(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for variable in guests.ADDRESS.values():
        monkeypatch.setenv(variable, "")  # what is set in its place is undone
    yield
    with databases.administering(Medallion.open().place.url) as cursor:
        databases.drop(cursor, NAME)


def test_a_source_is_made_anew_and_dropped_with_what_watches_it() -> None:
    for _ in range(2):
        (url,) = guests.make(NAME)
        guests.psql(url, "-c", "CREATE TABLE t (id int PRIMARY KEY)")
    Medallion.open(NAME, source=url).watch(yes=True)
    guests.drop(NAME)
    with pytest.raises(MedallionError, match=f"medallion_{NAME}"):
        Medallion.open(NAME).address("warehouse")
    with pytest.raises(MedallionError, match="does not exist"):
        guests.psql(url, "-c", "SELECT 1")


def test_a_database_of_that_name_that_is_not_the_chapters_stays() -> None:
    with databases.administering(Medallion.open().place.url) as cursor:
        databases.create(cursor, NAME)
        for attempt in (guests.make, guests.drop):
            with pytest.raises(MedallionError, match="not this chapter's"):
                attempt(NAME)
        assert databases.exists(cursor, NAME)
