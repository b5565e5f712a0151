"""What comes from outside and means harm: each row of docs/security.md that needs no cluster."""

import contextlib
import io
import json
import os
import pickle
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from rich.console import Console
from small_runs import spec_of

from dta_bench.benchmarks import _image_lists
from dta_bench.data.benchmark_plugin import benchmark_of
from dta_bench.domains.image_files import read_image
from dta_bench.errors import UserError
from dta_bench.run import checkpoint
from dta_bench.spec import search_space_file
from dta_bench.sweep.print_state import print_superseded
from dta_bench.tracking import TrackedRun, Tracker, server_client


class Hostile:
    """Unpickled, it leaves a file."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch hostile-was-here",)


def nothing_ran(folder: Path) -> bool:
    return not (folder / "hostile-was-here").exists()


@pytest.mark.parametrize("tag", ["object/apply:os.system", "object/new:os.system", "name:os"])
def test_a_search_space_builds_no_objects(tag: str, out: Path) -> None:
    text = f"# Hostile.\nbenchmark: digits\nseeds: !!python/{tag} ['touch hostile-was-here']\n"
    (out / "evil.yaml").write_text(text)
    with pytest.raises(UserError):
        search_space_file.read(out / "evil.yaml")
    assert nothing_ran(out)


def test_a_checkpoint_is_never_code(out: Path) -> None:
    (out / "run.pt").write_bytes(pickle.dumps(Hostile()))
    assert checkpoint.load(out / "run.pt", {}) is None
    assert nothing_ran(out)


def test_a_list_names_no_file_outside_its_folder(out: Path) -> None:
    (out / "set").mkdir()
    for path in ("../secret.png", "/etc/passwd", "a/../../secret.png", "C:/secret.png"):
        (out / "set" / "image_list.txt").write_text(f"{path} 0\n")
        with pytest.raises(UserError, match="not a relative path within its folder"):
            _image_lists.read(out, "set", 10, "the list")


def test_a_link_to_what_is_no_image_shows_nothing_of_it(out: Path) -> None:
    (out / "secret").write_text("the secret")
    (out / "image.png").symlink_to(out / "secret")
    with pytest.raises(UserError, match="cannot be read as an image") as told:
        read_image(out / "image.png")
    assert "the secret" not in str(told.value)


def test_predictions_from_a_server_are_never_code(out: Path) -> None:
    tracker = Tracker(f"sqlite:///{out}/mlflow.db", out)
    tracker.check()
    tracker.experiment(benchmark_of("fonts_digits"))
    log = tracker.open_run(spec_of(), None, "a run", set(), {})
    (run,) = tracker.runs("fonts_digits")
    evil = np.array([Hostile()], dtype=object)
    np.savez(out / "predictions.npz", target_test_logits=evil)
    log._client.log_artifact(log.mlflow_run_id, str(out / "predictions.npz"))
    with pytest.raises(ValueError, match="allow_pickle=False"):
        tracker.predictions(run)
    assert nothing_ran(out)


def test_a_run_on_the_server_that_is_not_ours_is_passed_over(out: Path) -> None:
    tracker = Tracker(f"sqlite:///{out}/mlflow.db", out)
    tracker.check()
    experiment = tracker.experiment(benchmark_of("fonts_digits"))
    for spec in (None, "no json", "[]", json.dumps({"benchmark": "fonts_digits"})):
        tags = {"run_id": "abc"} | ({"spec": spec} if spec is not None else {})
        tracker._client.create_run(experiment, run_name="not ours", tags=tags)
    tracker.open_run(spec_of(), None, "ours", set(), {})
    assert [run.name for run in tracker.runs("fonts_digits")] == ["ours"]


def test_a_name_from_the_server_is_no_markup_and_no_control_code_on_the_screen() -> None:
    nasty = "[red]red[/red] [/nothing] \x1b[31m\x07"
    stream = io.StringIO()
    print_superseded(Console(file=stream, width=200), nasty, "data was a, is b")
    assert "[red]red[/red] [/nothing]" in stream.getvalue()
    assert not {"\x1b", "\x07"} & set(stream.getvalue())


@pytest.mark.parametrize("prefix", ["file://", "FILE://", "file://localhost", ""])
def test_a_server_that_names_a_path_of_this_machine_is_not_followed(prefix: str, out: Path) -> None:
    (out / "confusion.csv").write_text("the secret")
    spec = spec_of()
    run = TrackedRun("1", spec.id, "a run", "FINISHED", spec, {}, {}, "1", f"{prefix}{out}")
    with pytest.raises(UserError, match="a path of this machine, which is not followed"):
        Tracker("http://127.0.0.1:9", out).read_text(run, "confusion.csv")


class LyingServer(BaseHTTPRequestHandler):
    """An MLflow server whose runs lie where ``addresses`` says, the last of them for ever."""

    addresses: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        address = self.addresses.pop(0) if len(self.addresses) > 1 else self.addresses[0]
        info = {"run_id": "1", "run_name": "a run", "experiment_id": "1", "status": "RUNNING", "artifact_uri": address}
        self._answer({"run": {"info": info, "data": {}}, "experiment": {"experiment_id": "1", "name": "fonts_digits"}})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.do_GET()

    def _answer(self, answer: dict[str, Any]) -> None:
        content = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Nothing on the screen."""


@pytest.fixture
def lying(out: Path) -> Iterator[tuple[Tracker, Path]]:
    """A tracker on a server that says that all artifacts lie in a folder of this machine, and that folder."""
    mine = out / "mine"
    mine.mkdir()
    (mine / "network.pt").write_text("the secret")
    LyingServer.addresses = [mine.as_uri()]
    with ThreadingHTTPServer(("127.0.0.1", 0), LyingServer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield Tracker(f"http://127.0.0.1:{server.server_port}", out), mine
        server.shutdown()


CALLS: dict[str, Callable[[Tracker, TrackedRun], object]] = {
    "has_file": lambda tracker, run: tracker.has_file(run, "network.pt"),
    "class_curves": lambda tracker, run: tracker.class_curves(run),
    "add_file": lambda tracker, run: tracker.add_file(run, Path(__file__), "figures"),
    "remove_file": lambda tracker, run: tracker.remove_file(run.mlflow_run_id, "network.pt"),
    "artifact": lambda tracker, run: tracker.read_text(run, "network.pt"),
    "open_run": lambda tracker, _: tracker.open_run(spec_of(), None, "a run", set(), {}),
    "announce_sweep": lambda tracker, _: tracker.announce_sweep("1", "here", {"x"}).__enter__(),
}


@pytest.mark.parametrize("call", CALLS)
def test_no_call_reads_or_writes_files_of_this_machine_that_a_server_names(
    call: str, lying: tuple[Tracker, Path]
) -> None:
    tracker, mine = lying
    run = TrackedRun("1", spec_of().id, "a run", "FINISHED", spec_of(), {}, {}, "1", mine.as_uri())
    with pytest.raises(UserError, match="a path of this machine, which is not followed"):
        CALLS[call](tracker, run)
    assert [path.name for path in mine.iterdir()] == ["network.pt"]


def test_a_server_that_names_another_place_the_second_time_is_not_followed(lying: tuple[Tracker, Path]) -> None:
    tracker, mine = lying
    LyingServer.addresses = ["mlflow-artifacts:/1", mine.as_uri()]
    run = TrackedRun("1", spec_of().id, "a run", "FINISHED", spec_of(), {}, {}, "1", "mlflow-artifacts:/1")
    with contextlib.suppress(Exception):  # it has no artifacts
        tracker.add_file(run, Path(__file__), "figures")
    assert [path.name for path in mine.iterdir()] == ["network.pt"]


def test_only_the_one_folder_that_the_user_names_is_shared_with_a_server(
    lying: tuple[Tracker, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, mine = lying
    shared = mine.parent / "shared"
    (shared / "1").mkdir(parents=True)
    (shared / "1" / "note.txt").write_text("the run's own")
    (shared / "away").symlink_to(mine)
    monkeypatch.setenv("DTA_BENCH_SHARED_ARTIFACTS", str(shared))
    server_client.check_address("http://127.0.0.1:9", (shared / "1").as_uri(), "a run's artifacts")
    for elsewhere in (mine.as_uri(), f"{shared.as_uri()}/../mine", f"{shared.as_uri()}/away", str(shared / "1")):
        with pytest.raises(UserError, match="which is not followed"):
            server_client.check_address("http://127.0.0.1:9", elsewhere, "a run's artifacts")


@pytest.mark.parametrize("address", ["runs:/2/x", "models:/m/1", "dbfs:/x", "C:/x", "unknown:/x"])
def test_an_address_that_leads_to_this_machine_at_last_is_not_followed(address: str, out: Path) -> None:
    run = TrackedRun("1", spec_of().id, "a run", "FINISHED", spec_of(), {}, {}, "1", address)
    with pytest.raises(UserError, match="which is not followed"):
        Tracker("http://127.0.0.1:9", out).read_text(run, "confusion.csv")
