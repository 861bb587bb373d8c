"""Work that begins later: in a thread of its own, not at all once it has ended, and never before its time."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time

import pytest

from candu_sync.later import Later


def test_it_begins_in_its_time_in_a_thread_of_its_own() -> None:
    names: list[str] = []
    began, due = threading.Event(), time.monotonic() + 0.05

    def work() -> None:
        names.append(threading.current_thread().name)
        began.set()

    later = Later(0.05, work, "of its own")
    assert began.wait(60)
    assert time.monotonic() >= due
    later.end()
    assert names == ["of its own"]


def test_what_ends_before_its_time_never_begins() -> None:
    began: list[str] = []
    done = threading.Event()
    first = Later(0.02, lambda: began.append("first"), "first")
    first.end()
    assert not first.wanted
    Later(0.05, done.set, "second")
    assert done.wait(60)
    assert began == []


def test_the_end_waits_for_work_that_has_begun() -> None:
    began, go_on, ended = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        began.set()
        go_on.wait(60)
        ended.set()

    later = Later(0.0, work, "slow")
    assert began.wait(60)
    threading.Timer(0.05, go_on.set).start()
    later.end()
    assert ended.is_set()


def test_one_that_comes_first_does_not_wait_for_those_before_it() -> None:
    far = Later(3600.0, lambda: None, "far")
    near = threading.Event()
    Later(0.01, near.set, "near")
    assert near.wait(60)
    far.end()


def test_slow_work_holds_up_no_other() -> None:
    go_on, other = threading.Event(), threading.Event()
    slow = Later(0.0, lambda: go_on.wait(60), "slow")
    Later(0.01, other.set, "other")
    assert other.wait(60)
    go_on.set()
    slow.end()


def test_a_thread_that_cannot_be_started_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("candu_sync.later._AGAIN", 0.01)
    done = threading.Event()
    start, refused = threading.Thread.start, []

    def refuse_once(thread: threading.Thread) -> None:
        if thread.name == "refused" and not refused:
            refused.append(thread.name)
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse_once)
    Later(0.0, done.set, "refused")
    assert done.wait(60)
    assert refused == ["refused"]


def _in_a_child() -> None:
    done = threading.Event()
    Later(0.0, done.set, "child")
    os._exit(0 if done.wait(60) else 1)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_process_has_a_thread_of_its_own() -> None:
    begun = threading.Event()
    Later(0.0, begun.set, "parent")
    assert begun.wait(60)
    child = multiprocessing.get_context("fork").Process(target=_in_a_child)
    child.start()
    child.join(120)
    assert child.exitcode == 0
