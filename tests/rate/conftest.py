"""A real Redis, and the two ways by which processes share a rate."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from candu_sync.rate.books import FileBook
from candu_sync.rate.redis_turns import RedisTurns
from candu_sync.rate.turns import BookTurns, Turns
from tests.rate.arrivals import RedisServer, Sharer, redis_server


@pytest.fixture(scope="session")
def running_redis() -> Iterator[RedisServer]:
    """One Redis for the session."""
    with redis_server() as server:
        yield server


@pytest.fixture(params=["file", "redis"])
def sharer(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Sharer]:
    """Turns by a file, and by Redis."""
    made: list[Turns] = []
    names = itertools.count()
    redis = request.getfixturevalue("running_redis") if request.param == "redis" else None

    def make(rate: float) -> Turns:
        made.append(BookTurns(rate, 0.05, FileBook(tmp_path / "rate")) if redis is None else
                    RedisTurns(rate, 0.05, redis.url, str(tmp_path), f"machine {next(names)}"))
        return made[-1]

    yield make
    for turns in made:
        turns.close()
