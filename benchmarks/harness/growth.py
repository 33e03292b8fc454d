"""How stages grow with a number: a table of seconds by size, with the exponents between the sizes."""

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from benchmarks.harness.results import line, three_digits


def table(found: Mapping[int, Mapping[str, float]], *, of: str, each: str, not_seconds: Collection[str] = ()) -> str:
    """A Markdown table: a row for each stage, a column for each size, and the exponents between them.

    Args:
      found: seconds by stage, by size.
      of: what the sizes count, such as `images`.
      each: the unit of the rows of `not_seconds`, such as `KiB an image`.
      not_seconds: rows that are no time, and have no exponent.
    """
    counts = list(found)
    titles = ["seconds", *(f"{count:,} {of}" for count in counts), "exponent"]
    lines = [line(titles), "|" + "---|" * len(titles)]
    for name in found[counts[0]]:
        values = [found[count][name] for count in counts]
        cells = [f"{three_digits(value)}{f' {each}' if name in not_seconds else ''}" for value in values]
        grown = "" if name in not_seconds else ", ".join(f"{slope:.2f}" for slope in exponents(counts, values))
        lines.append(line([name, *cells, grown]))
    return "\n".join(lines)


def exponents(counts: Sequence[int], seconds: Sequence[float]) -> list[float]:
    """By which power of the size the seconds grow, from each size to the next."""
    return (np.diff(np.log(seconds)) / np.diff(np.log(counts))).tolist()
