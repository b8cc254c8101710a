"""Documents as lines and back: a column of texts → a frame of all their lines → a column of texts.

Lines of one frame are looked at by whole columns, which is what makes cleaning fast. Knows no language.
"""

import polars as pl

FENCE = r"(?:```[^`]*$|~~~)"
"""What a line that begins or ends a block of code begins with, its indentation aside."""


def apart(texts: pl.Series) -> pl.DataFrame:
    """doc (place of the text), line, fenced (whether it is of a closed block of code, its fences too); in order."""
    lines = pl.DataFrame({"line": texts.str.split("\n")}).with_row_index("doc").explode("line")
    places = texts.str.contains(r"```|~~~").arg_true()
    if not len(places):
        return lines.with_columns(fenced=pl.lit(False))
    is_fence = pl.col("line").str.contains(rf"^\s*{FENCE}") & pl.col("doc").is_in(places.implode())
    n, n_all = is_fence.cum_sum().over("doc"), is_fence.sum().over("doc")
    closed = n <= n_all // 2 * 2  # the last of an odd number opens what never ends
    return lines.with_columns(fenced=closed & (is_fence | (n % 2 == 1)))


def joined(lines: pl.DataFrame, n_texts: int) -> pl.Series:
    """The texts of the lines that are left, with one blank line in a row at most; "" for a text without any."""
    texts = lines.group_by("doc", maintain_order=True).agg(pl.col("line").str.join("\n"))
    whole = pl.repeat("", n_texts, eager=True).scatter(texts["doc"], texts["line"])
    places = whole.str.contains("\n\n\n", literal=True).arg_true()
    return whole.scatter(places, whole.gather(places).str.replace_all(r"\n{3,}", "\n\n")).str.strip_chars("\n")
