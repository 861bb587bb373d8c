"""Receipts: what became of each message, read back however the process that wrote them ended."""

from __future__ import annotations

import errno
import json
import os
import threading
from pathlib import Path

import pytest

from candu_sync.errors import StateError
from candu_sync.state.partition_state import PartitionState
from candu_sync.state.receipt_log import ReceiptLog
from candu_sync.state.receipts import read_receipts
from candu_sync.state.root import State
from tests.support.waiting import until


@pytest.fixture
def state(tmp_path: Path) -> PartitionState:
    return State(str(tmp_path / "state")).of("users/model", None)


def log_file(state: PartitionState, part: int = 0) -> Path:
    return Path(state.store.place(state.store.list(state.name("runs/run-1/receipts/"))[part]))


def rejected(number: int) -> dict[str, object]:
    return {"rejected": number, "status": 422, "reason": "no", "at": "now"}


def test_all_that_was_written_is_read_back(state: PartitionState) -> None:
    log = ReceiptLog(state, "run-1")
    for line in ({"sent": [0, 9]}, {"accepted": [0, 9], "at": "now"}, {"sent": [10, 19]}, {"unsent": [10, 19]},
                 {"sent": [10, 10]}, {"unsent": [10, 10]}, rejected(10), {"sent": [11, 19]}):
        log.write(line)
    log.close()
    outcome = read_receipts(state, "run-1")
    assert outcome.accepted == [(0, 9)]
    assert outcome.rejected == {10: (422, "no", "now")}
    assert outcome.uncertain == [(11, 19)]
    assert outcome.settled == (10, 1)


def test_words_with_braces_do_not_hide_a_line_beside_a_damaged_one(state: PartitionState) -> None:
    reason = 'Candu said "{\\}\\\\{é …"'
    log = ReceiptLog(state, "run-1")
    log.write({"accepted": [0, 9], "at": "now"})
    log.write(rejected(10) | {"reason": reason})
    log.close()
    assert read_receipts(state, "run-1").rejected == {10: (422, reason, "now")}
    path = log_file(state)
    path.write_bytes(path.read_bytes().replace(b"}\n", b"}#", 1))
    outcome = read_receipts(state, "run-1")
    assert (outcome.damaged, outcome.accepted, outcome.rejected) == (1, [(0, 9)], {10: (422, reason, "now")})


def test_they_are_on_the_disk_before_the_log_is_closed(state: PartitionState) -> None:
    log = ReceiptLog(state, "run-1")
    log.write({"sent": [0, 9]})
    log.write({"accepted": [0, 9], "at": "now"})
    assert read_receipts(state, "run-1").accepted == [(0, 9)]
    log.close()


@pytest.mark.parametrize(("needed", "waits"), [(True, 2), (False, 0)])
def test_what_no_later_run_reads_waits_for_no_disk(state: PartitionState, monkeypatch: pytest.MonkeyPatch,
                                                   needed: bool, waits: int) -> None:
    # A file that is new is on the disk when its folder is.
    monkeypatch.setattr("candu_sync.state.receipt_log.SYNC_SECONDS", 3600.0)
    log = ReceiptLog(state, "run-1")
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    log.write({"sent": [0, 9]})
    log.write({"accepted": [0, 9], "at": "now"})
    log.close(needed=needed)
    assert len(synced) == waits
    assert read_receipts(state, "run-1").accepted == [(0, 9)]


def test_the_commit_has_the_room_that_was_reserved_for_answers(state: PartitionState) -> None:
    log = ReceiptLog(state, "run-1")
    log.write({"sent": [0, 9]})
    log.write({"accepted": [0, 9], "at": "now"})
    reserved = log_file(state).stat().st_size
    log.end()
    left = log_file(state).stat().st_size
    assert left < 1_000 < reserved
    log.close()
    assert log_file(state).stat().st_size == left
    assert read_receipts(state, "run-1").accepted == [(0, 9)]


def test_they_reach_the_disk_while_the_log_is_open(state: PartitionState, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("candu_sync.state.receipt_log.SYNC_SECONDS", 0.01)
    log = ReceiptLog(state, "run-1")
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    log.write({"accepted": [0, 9], "at": "now"})
    until(lambda: len(synced) == 2)
    log.write({"accepted": [10, 19], "at": "now"})
    until(lambda: len(synced) == 3)
    log.close(needed=False)


@pytest.mark.parametrize("cut", range(1, 19))
def test_a_line_that_was_cut_off_is_left_out_and_those_before_it_count(state: PartitionState, cut: int) -> None:
    log = ReceiptLog(state, "run-1")
    log.write({"accepted": [0, 9], "at": "now"})
    log.write({"sent": [10, 19]})
    log.close()
    path = log_file(state)
    path.write_bytes(path.read_bytes()[:-cut])
    outcome = read_receipts(state, "run-1")
    assert outcome.accepted == [(0, 9)]
    assert outcome.uncertain == ([(10, 19)] if cut == 1 else [])


def test_a_second_push_writes_a_log_of_its_own(state: PartitionState) -> None:
    for part in range(2):
        log = ReceiptLog(state, "run-1")
        log.write({"sent": [part, part]})
        log.write({"accepted": [part, part], "at": "now"})
        log.close()
    assert read_receipts(state, "run-1").accepted == [(0, 0), (1, 1)]
    assert json.loads(log_file(state, 1).read_text().splitlines()[0])["sent"] == [1, 1]


def test_an_answer_to_a_later_try_does_not_settle_an_earlier_one(state: PartitionState) -> None:
    log = ReceiptLog(state, "run-1")
    for line in ({"sent": [0, 9]}, {"sent": [0, 9]}, {"unsent": [0, 9]}):
        log.write(line)
    log.close()
    assert read_receipts(state, "run-1").uncertain == [(0, 9)]


def test_many_threads_write_whole_lines(state: PartitionState) -> None:
    log = ReceiptLog(state, "run-1")

    def write(first: int) -> None:
        for number in range(first, first + 200):
            log.write({"accepted": [number, number], "at": "now"})

    threads = [threading.Thread(target=write, args=(n * 200,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log.close()
    assert sorted(read_receipts(state, "run-1").accepted) == [(n, n) for n in range(800)]


def test_a_run_without_a_log_has_no_receipts(state: PartitionState) -> None:
    assert read_receipts(state, "run-1").settled == (0, 0)


LINES = ({"sent": [0, 9]}, {"sent": [10, 19]}, {"accepted": [0, 9], "at": "now"}, {"unsent": [10, 19]},
         {"sent": [20, 29]}, {"accepted": [20, 29], "at": "now"})


def test_an_altered_byte_hides_no_other_line(state: PartitionState) -> None:
    """Each byte of a log in turn. What is altered never counts for what it was not."""
    log = ReceiptLog(state, "run-1")
    for line in LINES:
        log.write(line)
    log.close()
    path = log_file(state)
    good = path.read_bytes()
    for at in range(len(good)):
        path.write_bytes(good[:at] + bytes([good[at] ^ 1]) + good[at + 1:])
        outcome = read_receipts(state, "run-1")
        accepted = set(outcome.accepted)
        assert accepted <= {(0, 9), (20, 29)}
        assert accepted, f"byte {at} hides all"
        missing = {(0, 9), (20, 29)} - accepted
        assert outcome.damaged or not missing, f"byte {at} is not reported"
        assert missing <= set(outcome.uncertain), f"byte {at}: an unread answer passes for none that was asked for"


def test_damage_is_reported_and_a_line_that_was_cut_off_is_not(
        state: PartitionState, caplog: pytest.LogCaptureFixture) -> None:
    log = ReceiptLog(state, "run-1")
    for line in LINES:
        log.write(line)
    log.close()
    path = log_file(state)
    good = path.read_bytes()
    path.write_bytes(good[:-5])
    assert read_receipts(state, "run-1").damaged == 0
    assert caplog.messages == []
    path.write_bytes(good.replace(b"[10,19]", b"[10,18]", 1))
    assert read_receipts(state, "run-1").damaged == 1
    [said] = caplog.messages
    assert "users/model: 1 of the receipts in" in said
    assert str(path) in said


def test_a_log_from_before_checksums_is_read(state: PartitionState) -> None:
    state.store.put(state.name("runs/run-1/receipts/000000.jsonl"),
                    b"".join(json.dumps(line).encode() + b"\n" for line in LINES))
    outcome = read_receipts(state, "run-1")
    assert (outcome.accepted, outcome.uncertain, outcome.damaged) == ([(0, 9), (20, 29)], [], 0)


def test_an_answer_whose_request_is_a_damaged_line_does_not_answer_a_later_request(state: PartitionState) -> None:
    log = ReceiptLog(state, "run-1")
    for line in ({"sent": [0, 9]}, {"unsent": [0, 9]}, {"sent": [0, 9]}):
        log.write(line)
    log.close()
    path = log_file(state)
    path.write_bytes(b"x" + path.read_bytes()[1:])
    assert read_receipts(state, "run-1").uncertain == [(0, 9)]


@pytest.mark.parametrize("end", ["removed", "moved", "replaced"])
def test_nothing_goes_when_the_log_is_no_longer_there(state: PartitionState, end: str) -> None:
    log = ReceiptLog(state, "run-1")
    log.write({"sent": [0, 9]})
    path = log_file(state)
    path.rename(path.with_name("moved")) if end == "moved" else path.unlink()
    if end == "replaced":
        path.write_bytes(b"")
    with pytest.raises(StateError, match=r"000000\.jsonl was removed or replaced while the run was under way"):
        log.write({"sent": [10, 19]})
    log.close()


@pytest.mark.parametrize("away", ["missing", "not supported"])
def test_room_is_reserved_where_the_system_has_no_call_for_it(
        state: PartitionState, monkeypatch: pytest.MonkeyPatch, away: str) -> None:
    def refuse(*_: int) -> None:
        raise OSError(errno.EOPNOTSUPP, "not here")

    if away == "missing":
        monkeypatch.delattr(os, "posix_fallocate", raising=False)
    else:
        monkeypatch.setattr(os, "posix_fallocate", refuse, raising=False)
    log = ReceiptLog(state, "run-1")
    log.write({"sent": [0, 9]})
    assert log_file(state).stat().st_size > 200_000
    assert log_file(state).stat().st_blocks * 512 > 200_000
    log.write({"accepted": [0, 9], "at": "now"})
    assert read_receipts(state, "run-1").accepted == [(0, 9)]
    log.close()
    assert log_file(state).stat().st_size < 200
