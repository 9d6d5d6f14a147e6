"""Highlight the body of a %%sql cell as SQL; the book would otherwise read it as Python."""

from collections.abc import Iterator
from typing import Any, ClassVar

from ipython_pygments_lexers import IPython3Lexer
from pygments.lexer import Lexer
from pygments.lexers import PostgresLexer
from pygments.token import Comment, _TokenType
from sphinx.application import Sphinx

Token = tuple[int, _TokenType, str]


class CellLexer(IPython3Lexer):
    """IPython, but for a cell that begins with %%sql: SQL below its first line."""

    name = "IPython with %%sql"
    aliases: ClassVar[list[str]] = ["ipython3"]

    def get_tokens_unprocessed(self, text: str, *rest: Any) -> Iterator[Token]:
        if not text.startswith("%%sql"):
            return super().get_tokens_unprocessed(text, *rest)
        return self._sql_cell(text)

    def _sql_cell(self, text: str) -> Iterator[Token]:
        first, newline, body = text.partition("\n")
        yield 0, Comment.Preproc, first + newline
        sql: Lexer = PostgresLexer(**self.options)
        for index, kind, value in sql.get_tokens_unprocessed(body):
            yield len(first + newline) + index, kind, value


def setup(app: Sphinx) -> dict[str, bool]:
    """myst-nb marks code cells with their kernel's lexer, one of these two names."""
    for name in ("ipython3", "ipython"):
        app.add_lexer(name, CellLexer)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
