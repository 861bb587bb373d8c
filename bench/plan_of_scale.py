"""A plan beyond these machines: what 1 million to 1 billion users need.

    python -m bench.plan_of_scale                               the tables
    python -m bench.plan_of_scale --users 300M --rate 50        one size, other assumptions
    python -m bench.plan_of_scale --page docs/scale.md          write the tables into the page; `make scale`
    python -m bench.plan_of_scale --take .bench/targets.json    first, take over what a bench has measured

``scale_costs.json`` has what a row, a message, a shard and a run cost, ``scale_model`` counts.
"""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from bench.book import Book
from bench.report import number, table
from bench.scale_costs import Costs, read_costs, take
from bench.scale_model import MOST_SHARDS, RESOURCES, Model, Setup, Work, most_users

SIZES = (1_000_000, 10_000_000, 100_000_000, 1_000_000_000)
WORDS = ("K", "M", "billion")

# Messages of a request, at most: docs/candu.md.
MOST_MESSAGES = 1_000

BEGIN, END = "<!-- made by `make scale`: begin -->", "<!-- made by `make scale`: end -->"


def lines(setup: Setup, sizes: tuple[int, ...], costs: Costs) -> Iterator[str]:
    """All of it, in Markdown."""
    yield from _assumed(setup)
    yield ""
    yield from table(["", *(users(size) for size in sizes)],
                     [[what, *(cell(Model(replace(setup, users=size), costs)) for size in sizes)]
                      for what, cell in ROWS])
    yield "\nWhere each of them ends, with these numbers:\n"
    yield from table(["what", "up to so many users"],
                     [[what, _most(setup, costs, hours, limit, clustered)] for what, hours, limit, clustered in _ENDS])
    yield "\nThe costs that this is counted with:\n"
    yield from table(["what", "costs", "", "how"],
                     [[cost.what, f"{number(cost.value)} {cost.unit}".strip(), cost.source, cost.how]
                      for cost in costs.values()])


def _assumed(setup: Setup) -> Iterator[str]:
    yield (f"{setup.traits} traits, {100 * setup.changed:g} % of the users change in a day, {setup.runs} runs a day, "
           f"one of which finds what changed. Candu takes {setup.rate:g} requests a second of "
           f"{setup.batch:,} messages. {setup.workers} workers have a processor each, the warehouse "
           f"{setup.warehouse}. A shard has {users(setup.shard_rows)} rows at most, as far as {MOST_SHARDS:,} shards "
           "allow it.")


def users(count: float) -> str:
    """A number of users.

    Example:
        >>> users(1_600_000), users(300_000), users(1_000_000_000)
        ('1.6 M', '300 K', '1 billion')
    """
    if math.isinf(count):
        return "no limit here"
    power = min(3, max(1, int(math.log10(max(count, 1)) / 3 + 1e-9)))
    return f"{count / 1000**power:.3g} {WORDS[power - 1]}"


def duration(hours: float) -> str:
    """So many hours.

    Example:
        >>> duration(0.001), duration(0.5), duration(5), duration(300)
        ('4 s', '30 min', '5 h', '12.5 days')
    """
    if hours < 1 / 60:
        return f"{hours * 3600:.0f} s"
    if hours < 1:
        return f"{hours * 60:.0f} min"
    return f"{hours:.3g} h" if hours < 48 else f"{hours / 24:.3g} days"


def _memory(mb: float) -> str:
    return "not measured" if math.isnan(mb) else f"{mb:,.0f} MB at most"


def _all(work: Work) -> str:
    """The bottleneck with its hours."""
    return f"**{duration(work.longest)}**: {RESOURCES[work.bottleneck]}"


def _of(work: Callable[[Model], Work], resource: str) -> Callable[[Model], str]:
    return lambda model: duration(work(model).hours[resource])


def _clustered(model: Model) -> Model:
    return Model(replace(model.setup, clustered=True), model.costs)


def _large(model: Model) -> Model:
    return Model(replace(model.setup, batch=MOST_MESSAGES), model.costs)


ROWS: tuple[tuple[str, Callable[[Model], str]], ...] = (
    ("shards", lambda model: f"{model.shards:,}"),
    ("rows of a shard", lambda model: users(model.setup.users / model.shards)),
    ("memory of a worker", lambda model: _memory(model.worker_mb)),
    ("state in the store", lambda model: f"{number(model.state_gb)} GB"),
    ("**first run**", lambda model: _all(model.first())),
    ("… at Candu's rate", _of(Model.first, "candu")),
    (f"… with {MOST_MESSAGES:,} messages a request", lambda model: duration(_large(model).first().hours["candu"])),
    ("… workers", _of(Model.first, "workers")),
    ("… warehouse, each shard reads the whole table", _of(Model.first, "warehouse")),
    ("… warehouse, clustered by shard", lambda model: duration(_clustered(model).first().hours["warehouse"])),
    ("… network", lambda model: f"{number(model.first().gb)} GB, {_of(Model.first, 'network')(model)}"),
    ("… requests to Candu", lambda model: f"{model.first().requests:,.0f}"),
    ("… requests to the store", lambda model: f"{model.first().store_requests:,.0f}"),
    ("**an unchanged run**", lambda model: _all(model.unchanged())),
    ("… clustered by shard", lambda model: _all(_clustered(model).unchanged())),
    ("**the run that finds a day's changes**", lambda model: _all(model.changes())),
    ("… clustered by shard", lambda model: _all(_clustered(model).changes())),
    ("**all runs of a day**", lambda model: _all(model.day())),
    ("… clustered by shard", lambda model: _all(_clustered(model).day())),
    ("… at Candu's rate", _of(Model.day, "candu")),
    ("… workers", _of(Model.day, "workers")),
    ("… of which the starts of Dagster's runs", lambda model: duration(model.start_hours * model.setup.runs)),
    ("… runs of Dagster, and what they write", lambda model: f"{model.setup.runs * model.shards:,}, "
                                                             f"{number(model.dagster_gb)} GB"),
    ("… network", lambda model: f"{number(model.day().gb)} GB, {_of(Model.day, 'network')(model)}"),
    ("… requests to the store", lambda model: f"{model.day().store_requests:,.0f}"),
)
"""The first column, and a size's cell."""

_ENDS: tuple[tuple[str, Callable[[Model], float], float, bool], ...] = (
    ("Candu's rate: a first run in a day", lambda model: model.first().hours["candu"], 24, False),
    ("… in a week", lambda model: model.first().hours["candu"], 168, False),
    ("… a day's changes in an hour", lambda model: model.changes().hours["candu"], 1, False),
    ("… a day's changes in a day", lambda model: model.changes().hours["candu"], 24, False),
    ("the warehouse, each shard reads the whole table: an unchanged run in ten minutes",
     lambda model: model.unchanged().hours["warehouse"], 1 / 6, False),
    ("… clustered by shard", lambda model: model.unchanged().hours["warehouse"], 1 / 6, True),
    ("the workers: an unchanged run in ten minutes", lambda model: model.unchanged().hours["workers"], 1 / 6, False),
    ("… in an hour", lambda model: model.unchanged().hours["workers"], 1, False),
    ("… a first run in a day", lambda model: model.first().hours["workers"], 24, False),
    ("the network: a first run in a day", lambda model: model.first().hours["network"], 24, False),
)
"""What ends: hours of it, the most that is allowed, and whether the table is clustered by shard."""


def _most(setup: Setup, costs: Costs, hours: Callable[[Model], float], limit: float, clustered: bool) -> str:
    return users(most_users(replace(setup, clustered=clustered), costs, hours, limit))


def into_page(page: str, made: str) -> str:
    """A page with the part between the two marks made anew. Raises ValueError: it has no marks."""
    found, times = re.subn(f"(?s){re.escape(BEGIN)}.*?{re.escape(END)}", lambda _: f"{BEGIN}\n{made}\n{END}", page)
    if times != 1:
        raise ValueError(f"the page must have one {BEGIN} and one {END}")
    return found


def page_text(costs: Costs) -> str:
    """What stands in docs/scale.md."""
    return "\n".join(lines(Setup(users=SIZES[0]), SIZES, costs))


def _rows(text: str) -> int:
    """So many rows, of ``300M``, ``1.5M``, ``2B`` or ``1e9``."""
    found = re.fullmatch(r"([\d.,]+(?:e\d+)?)([kmb]?)", text.strip().lower())
    times = {"": 1, "k": 10**3, "m": 10**6, "b": 10**9}
    try:
        count = int(float(found[1].replace(",", "")) * times[found[2]]) if found else 0
    except ValueError:
        count = 0
    if count < 1:
        raise argparse.ArgumentTypeError(f"{text} is no number of rows: write it like 300M, 1.5B or 20000")
    return count


def _whole(least: int, most: float = math.inf) -> Callable[[str], int]:
    def parsed(text: str) -> int:
        if not re.fullmatch(r"\d+", text) or not least <= int(text) <= most:
            bounds = f"of at least {least:,}" + (f" and at most {most:,}" if most < math.inf else "")
            raise argparse.ArgumentTypeError(f"{text} is no whole number {bounds}")
        return int(text)
    return parsed


def _number(most: float) -> Callable[[str], float]:
    def parsed(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not 0 < value <= most:
            raise argparse.ArgumentTypeError(f"{text} is no number above 0 and up to {most:,g}")
        return value
    return parsed


def arguments(words: list[str] | None = None) -> argparse.Namespace:
    known = Setup(users=0)
    parser = argparse.ArgumentParser(prog="python -m bench.plan_of_scale", description="What so many users need.")
    parser.add_argument("--users", nargs="+", type=_rows, default=SIZES, metavar="N", help="such as 10M 1.5B")
    parser.add_argument("--traits", type=_whole(1), default=known.traits)
    parser.add_argument("--changed", type=_number(1), default=known.changed,
                        help="share of the users, in a day: 0.01 is 1 %%")
    parser.add_argument("--runs", type=_whole(1), default=known.runs, help="in a day")
    parser.add_argument("--rate", type=_number(1e6), default=known.rate, help="requests to Candu, in a second")
    parser.add_argument("--batch", type=_whole(1, MOST_MESSAGES), default=known.batch,
                        help=f"messages of a request, {MOST_MESSAGES:,} at most")
    parser.add_argument("--workers", type=_whole(1), default=known.workers, help="processes at a time")
    parser.add_argument("--warehouse", type=_whole(1), default=known.warehouse, help="processors of the warehouse")
    parser.add_argument("--shard-rows", type=_rows, default=known.shard_rows, help="rows of a shard, at most")
    parser.add_argument("--page", type=Path, metavar="FILE.md", help="write the tables of all sizes into it")
    parser.add_argument("--take", type=Path, metavar="BOOK.json", help="take over what a bench has measured")
    return parser.parse_args(words)


def main(words: list[str] | None = None) -> None:
    """Print the tables, or write them into a page."""
    options = arguments(words)
    if options.take:
        print("taken over:", ", ".join(take(Book(options.take, resume=True))))  # noqa: T201
    costs = read_costs()
    if options.page:
        options.page.write_text(into_page(options.page.read_text(), page_text(costs)))
        print(f"written: {options.page}")  # noqa: T201
        return
    setup = Setup(users=0, **{name: getattr(options, name) for name in (
        "traits", "changed", "runs", "rate", "batch", "workers", "warehouse", "shard_rows")})
    print("\n".join(lines(setup, tuple(options.users), costs)))  # noqa: T201


if __name__ == "__main__":
    main()
