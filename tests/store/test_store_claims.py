import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from modbench.store import claims as module
from modbench.store.claims import STALE_SECONDS, Claims, this_machine
from modbench.store.files import Store

COHORT = "0123456789abcdef"
OTHER = "fedcba9876543210"


@pytest.fixture
def claims(tmp_path) -> Claims:
    return Claims(Store.create(tmp_path / "store", {"name": "claimed"}).folder)


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "store" / "claims" / f"{COHORT}.json"


def rewrite(path: Path, **changes):
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def age(path: Path, seconds: float):
    now = time.time()
    os.utime(path, (now - seconds, now - seconds))


def test_one_takes_a_cohort_and_nobody_else_does_until_it_is_done(claims, path):
    claim = claims.take(COHORT)
    assert claim is not None
    with claim:
        assert claims.take(COHORT) is None
        assert Claims(path.parents[1]).take(COHORT) is None
        other = claims.take(OTHER)
        assert other is not None
        with other:
            assert sorted(claims.living()) == [COHORT, OTHER]
        (holder,) = claims.living().values()
        assert (holder.pid, holder.phase) == (os.getpid(), "start")
    assert claims.living() == {}
    assert list(path.parent.iterdir()) == []
    assert claims.take(COHORT) is not None


def test_a_heartbeat_keeps_it_alive_and_passes_progress_on(claims, path, monkeypatch):
    monkeypatch.setattr(module, "HEARTBEAT_SECONDS", 0.01)
    with claims.take(COHORT) as claim:
        claim.tell("train", 1, 30, 100)
        age(path, 1000)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and not claims.living():
            time.sleep(0.01)
        holder = claims.living()[COHORT]
        assert (holder.phase, holder.group, holder.step, holder.steps) == ("train", 1, 30, 100)
    assert not any(thread.name == "modbench heartbeat" for thread in threading.enumerate())


@pytest.mark.parametrize("seconds", [STALE_SECONDS + 5, -STALE_SECONDS - 5, 10**8])
def test_a_claim_without_heartbeats_lapses_whichever_way_the_clock_has_jumped(claims, path, seconds):
    assert claims.take(COHORT)
    age(path, seconds)
    assert claims.living() == {}
    assert claims.take(COHORT) is not None
    assert COHORT in claims.living()


def test_ages_are_told_by_the_clock_of_the_file_system(claims, path, monkeypatch):
    assert claims.take(COHORT)
    monkeypatch.setattr(time, "time", lambda: 0.0)
    assert COHORT in claims.living()


def test_the_claim_of_a_process_that_is_gone_lapses_at_once_on_its_machine_alone(claims, path):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    assert claims.take(COHORT)
    rewrite(path, pid=gone.pid)
    assert claims.living() == {}
    rewrite(path, machine="another")
    assert COHORT in claims.living()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b'{"token": 3}', b"\xff\xfe", b"[" * 10**5])
def test_a_torn_claim_holds_nobody_up(claims, path, content):
    path.parent.mkdir()
    path.write_bytes(content)
    assert claims.living() == {}
    with claims.take(COHORT):
        assert COHORT in claims.living()


def test_one_that_was_overtaken_leaves_the_new_holder_alone(claims, path, monkeypatch):
    monkeypatch.setattr(module, "HEARTBEAT_SECONDS", 0.01)
    with claims.take(COHORT):
        age(path, 1000)
        rewrite(path, token="another", machine="elsewhere", pid=1)
        time.sleep(0.1)
        assert claims.living()[COHORT].token == "another"
    assert claims.living()[COHORT].token == "another"


def test_of_many_at_once_one_gets_it(claims):
    barrier, taken = threading.Barrier(8), []

    def take():
        barrier.wait()
        taken.append(claims.take(COHORT))

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(claim is not None for claim in taken) == 1


def test_where_links_are_not_to_be_had_a_claim_is_taken_all_the_same(claims, monkeypatch):
    def refused(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refused)
    with claims.take(COHORT):
        assert claims.take(COHORT) is None


@pytest.mark.parametrize("obstacle", ["full", "file", "gone"])
def test_where_nothing_can_be_written_training_goes_on_unclaimed(claims, path, monkeypatch, obstacle):
    if obstacle == "file":
        path.parent.write_text("a file where claims go")
    elif obstacle == "gone":
        path.parents[1].rename(path.parents[2] / "elsewhere")
    else:

        def full(*_):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(Path, "write_bytes", full)
    with claims.take(COHORT) as claim:
        claim.tell("train", 0, 1, 2)
    claims.note_failure(COHORT, "no matter")
    assert (claims.living(), claims.failures()) == ({}, {})
    assert not (obstacle == "gone" and path.parents[1].exists())


def test_why_a_cohort_failed_is_kept_until_it_is_tried_again(claims):
    claims.note_failure(COHORT, "its worker died 2 times")
    claims.note_failure(OTHER, "ValueError: no such luck")
    assert claims.failures() == {COHORT: "its worker died 2 times", OTHER: "ValueError: no such luck"}
    assert claims.living() == {}
    with claims.take(COHORT):
        assert list(claims.failures()) == [OTHER]


def test_the_claim_of_a_process_that_is_known_to_have_died_is_taken_away(claims, path):
    assert claims.take(COHORT) is not None
    claims.end_of(COHORT, this_machine(), os.getpid() + 1)
    claims.end_of(COHORT, "another machine", os.getpid())
    claims.end_of(OTHER, this_machine(), os.getpid())
    assert path.exists()
    claims.end_of(COHORT, this_machine(), os.getpid())
    assert not path.exists()
