"""Metrics reach a tracker that was away: in order and none lost, even if the process that wrote them dies."""

import json
import math
import threading
from pathlib import Path
from typing import Any

import pytest
from mlflow.exceptions import INVALID_PARAMETER_VALUE, MlflowException

from dta_bench.errors import UserError
from dta_bench.tracking.spool import Spool

AWAY = "http://127.0.0.1:9"
STORE = "sqlite:///any.db"


def entries(*steps: int) -> list[dict[str, Any]]:
    return [{"at": 1000 + step, "step": step, "metrics": {"loss/total": float(step)}} for step in steps]


class Store:
    """A store that is away until ``back`` is set, and remembers what arrives."""

    def __init__(self) -> None:
        self.received: list[dict[str, Any]] = []
        self.back = threading.Event()

    def take(self, entry: dict[str, Any]) -> None:
        if not self.back.is_set():
            raise ConnectionError("away")
        self.received.append(entry)


def test_entries_put_while_the_server_is_away_arrive_in_order_when_it_is_back(tmp_path: Path) -> None:
    store = Store()
    spool = Spool(tmp_path / "spool", store.take, AWAY)
    for entry in entries(1, 2, 3):
        spool.put(entry)
    assert not spool.flush(0.1)
    assert [json.loads(line) for line in (tmp_path / "spool").read_text().splitlines() if line] == entries(1, 2, 3)
    store.back.set()
    assert spool.flush(30)
    assert store.received == entries(1, 2, 3)
    assert not (tmp_path / "spool").exists()


def test_entries_of_a_dead_process_are_sent_before_those_of_its_successor(tmp_path: Path) -> None:
    away, store = Store(), Store()
    first = Spool(tmp_path / "spool", away.take, AWAY)
    for entry in entries(1, 2):
        first.put(entry)
    first.abandon()
    store.back.set()
    second = Spool(tmp_path / "spool", store.take, AWAY)
    for entry in entries(3):
        second.put(entry)
    second.close(30)
    assert store.received == entries(1, 2, 3)


def test_a_line_torn_by_a_crash_costs_only_itself(tmp_path: Path) -> None:
    away, store = Store(), Store()
    first = Spool(tmp_path / "spool", away.take, AWAY)
    for entry in entries(1, 2):
        first.put(entry)
    first.abandon()
    whole = (tmp_path / "spool").read_bytes()
    (tmp_path / "spool").write_bytes(whole[:-5])
    second = Spool(tmp_path / "spool", away.take, AWAY)
    second.put(entries(2)[0])
    second.abandon()
    store.back.set()
    third = Spool(tmp_path / "spool", store.take, AWAY)
    third.close(30)
    assert store.received == entries(1, 2)


def test_a_loss_of_nan_survives_the_way_over_the_disk(tmp_path: Path) -> None:
    away, store = Store(), Store()
    first = Spool(tmp_path / "spool", away.take, AWAY)
    first.put({"at": 1, "step": 1, "metrics": {"loss/total": math.nan}})
    first.abandon()
    store.back.set()
    Spool(tmp_path / "spool", store.take, AWAY).close(30)
    assert math.isnan(store.received[0]["metrics"]["loss/total"])


def test_a_refusal_is_not_waited_for(tmp_path: Path) -> None:
    def refuse(_: dict[str, Any]) -> None:
        raise LookupError("no such run")

    spool = Spool(tmp_path / "spool", refuse, AWAY)
    spool.put(entries(1)[0])
    with pytest.raises(LookupError, match="no such run"):
        spool.close(30)


def test_what_the_store_refuses_for_good_is_set_aside_and_what_is_behind_it_arrives(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store, sends = Store(), []

    def take(entry: dict[str, Any]) -> None:
        sends.append(entry["step"])
        if entry["step"] == 2:
            raise MlflowException("Invalid value 2\nfor a metric", INVALID_PARAMETER_VALUE)
        store.take(entry)

    spool = Spool(tmp_path / "spool", take, AWAY)
    for entry in entries(1, 2, 3):
        spool.put(entry)
    assert not spool.flush(0.2)
    assert set(sends) == {1}  # while the server is away all of them wait, in order
    store.back.set()
    spool.close(30)
    assert store.received == entries(1, 3)
    assert spool.refusal_of(entries(2)[0]) == "Invalid value 2"
    assert spool.refusal_of(entries(3)[0]) is None
    (kept,) = map(json.loads, filter(None, (tmp_path / "spool.refused").read_text().splitlines()))
    assert kept == entries(2)[0] | {"refused": "Invalid value 2"}
    assert not (tmp_path / "spool").exists()
    _, said = caplog.messages  # the first: trying again
    assert "the MLflow store refused 1 batch of metrics (Invalid value 2)" in said
    assert str(tmp_path / "spool.refused") in said


def test_a_server_that_stays_away_is_one_sentence_and_no_entry_is_dropped(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool", Store().take, AWAY)
    spool.put(entries(1)[0])
    with pytest.raises(UserError, match=f"{AWAY} did not answer.*{tmp_path / 'spool'}"):
        spool.close(0.2)
    assert (tmp_path / "spool").exists()


def test_a_full_disk_does_not_keep_metrics_from_arriving(tmp_path: Path) -> None:
    store = Store()
    store.back.set()
    (tmp_path / "no folder").write_text("")  # so that nothing can be written in it, whoever asks
    spool = Spool(tmp_path / "no folder" / "spool", store.take, STORE)
    spool.put(entries(1)[0])
    spool.close(30)
    assert store.received == entries(1)
