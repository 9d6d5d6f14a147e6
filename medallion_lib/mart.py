"""A mart as a value: which rows a cell of it adds up. And the marts of a user's own."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Any, NamedTuple, Self

from medallion_lib.errors import refusal


@dataclass(frozen=True)
class Mart:
    """A view of gold, and how its cells come from the rows of a history.

    `grain` has an expression for each column that names a cell. It reads `row`, a version of the
    history `of`, and what `joins` adds to it. There, {at} stands for the instant that is asked.
    Raises TypeError where one of them is no text, or there is no grain.
    """

    name: str
    of: str
    grain: Mapping[str, str]  # in the order of its columns
    joins: str = ""
    where: str = ""  # which rows count, if not all
    columns: tuple[str, ...] = ()  # of the history, for a receipt to show; all, if none is named

    def __post_init__(self) -> None:
        object.__setattr__(self, "grain", MappingProxyType(dict(self.grain)))
        object.__setattr__(self, "columns", tuple(self.columns))
        texts = self.name, self.of, self.joins, self.where, *self.grain.values(), *self.columns
        if not self.grain or not all(isinstance(text, str) for text in texts):
            raise TypeError(f"mart {self.name} needs a grain, and text for all that it says")

    def __hash__(self) -> int:
        return hash(self.name)

    def as_json(self) -> dict[str, Any]:
        return vars(self) | {"grain": [*self.grain.items()]}  # jsonb keeps no order of names

    @classmethod
    def of_json(cls, facts: Mapping[str, Any]) -> Self:
        """The same from what `as_json` gives, or a TOML file has."""
        check_facts(cls, facts)
        return cls(**facts)


def check_facts(of: type, facts: Mapping[str, Any]) -> None:
    """Raise MedallionError where there is a fact that no field of this class is for."""
    known = {each.name for each in fields(of)}
    if unknown := facts.keys() - known:
        told = {"facts": ", ".join(sorted(unknown)), "named": ", ".join(sorted(known))}
        raise refusal("no such fact", of=of.__name__.lower(), **told)


class Script(NamedTuple):
    """A file of SQL, as it was when it was applied."""

    file: str
    text: str
    makes: tuple[str, ...] = ()  # views of gold


class Own(NamedTuple):
    """The marts of a user's own, which the warehouse keeps: their SQL, and those with a grain."""

    scripts: tuple[Script, ...] = ()
    marts: tuple[Mart, ...] = ()

    @classmethod
    def of_json(cls, facts: Mapping[str, Any]) -> Self:
        scripts = (Script(file, text, tuple(makes)) for file, text, makes in facts["scripts"])
        return cls(tuple(scripts), tuple(map(Mart.of_json, facts["marts"])))

    def as_json(self) -> dict[str, Any]:
        return {"scripts": self.scripts, "marts": [mart.as_json() for mart in self.marts]}
