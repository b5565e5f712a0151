"""Downloads against a real HTTP server on loopback that cuts connections, changes its files and has none of them."""

import gzip
import hashlib
import http.server
import io
import socket
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import fake_datasets
import numpy as np
import pytest
from filelock import FileLock

from dta_bench.benchmarks import _torchvision, _visda, svhn_mnist
from dta_bench.data import prepare
from dta_bench.domains import download
from dta_bench.domains.download import Archive, fetch
from dta_bench.errors import UserError

CONTENT = np.random.default_rng(0).integers(0, 256, 700_001, dtype=np.uint8).tobytes()
MD5 = hashlib.md5(CONTENT).hexdigest()


class Server(http.server.ThreadingHTTPServer):
    """Files by path; each answer breaks off after ``cut`` bytes while ``cuts`` are left."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.files: dict[str, bytes] = {"/file.bin": CONTENT}
        self.cut, self.cuts, self.ranges, self.failures = 0, 0, True, 0
        self.asked: list[str | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Answer(http.server.BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        server, content = self.server, self.server.files.get(self.path)
        server.asked.append(self.headers.get("Range"))
        if server.failures:
            server.failures -= 1
            return self.send_error(503)
        if content is None:
            return self.send_error(404)
        version = f'"{hashlib.md5(content).hexdigest()}"'
        start = 0
        if server.ranges and self.headers.get("Range") and self.headers.get("If-Range") == version:
            start = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
            if start >= len(content):
                return self.send_error(416)
            self.send_response(206)
        else:
            self.send_response(200)
        self.send_header("ETag", version)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        cut = server.cuts > 0
        server.cuts -= cut
        self.wfile.write(content[start : start + server.cut] if cut else content[start:])
        if cut:
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)
        return None


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    found = Server()
    thread = threading.Thread(target=found.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield found
    found.shutdown()
    found.server_close()
    thread.join()


def archive(server: Server, **changes: object) -> Archive:
    return Archive(**({"url": f"{server.url}/file.bin", "file": "set/file.bin", "md5": MD5} | changes))  # type: ignore[arg-type]


def test_a_connection_that_is_cut_again_and_again_ends_in_the_complete_file(server: Server, tmp_path: Path) -> None:
    server.cut, server.cuts = 90_000, 7
    seen: list[tuple[int, int]] = []
    fetch(archive(server), tmp_path, on_progress=lambda _, there, total: seen.append((there, total)))
    assert (tmp_path / "set/file.bin").read_bytes() == CONTENT
    assert server.asked == [None, *(f"bytes={90_000 * i}-" for i in range(1, 8))]
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert [there for there, _ in seen] == sorted(there for there, _ in seen)
    assert [path.name for path in (tmp_path / "set").iterdir() if not path.name.endswith(".lock")] == ["file.bin"]


def test_bytes_from_before_an_interruption_are_not_fetched_again(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "MAX_FRUITLESS_TRIES", 1)
    server.cut, server.cuts = 300_000, 1

    def stop(_: str, there: int, __: int) -> None:
        if there > 200_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(archive(server), tmp_path, on_progress=stop)
    kept = (tmp_path / "set/file.bin.part").stat().st_size
    assert kept > 200_000
    fetch(archive(server), tmp_path)
    assert server.asked == [None, f"bytes={kept}-"]
    assert (tmp_path / "set/file.bin").read_bytes() == CONTENT


def test_a_file_that_changed_between_two_tries_is_fetched_from_its_start(server: Server, tmp_path: Path) -> None:
    other = CONTENT[::-1]

    def change(_: str, there: int, __: int) -> None:
        if there and server.cuts == 0:
            server.files["/file.bin"] = other

    server.cut, server.cuts = 300_000, 1
    fetch(archive(server, md5=""), tmp_path, on_progress=change)
    assert (tmp_path / "set/file.bin").read_bytes() == other


def test_a_server_that_cannot_resume_sends_the_file_again(server: Server, tmp_path: Path) -> None:
    server.cut, server.cuts, server.ranges = 300_000, 2, False
    fetch(archive(server), tmp_path)
    assert (tmp_path / "set/file.bin").read_bytes() == CONTENT


def test_a_busy_server_is_asked_again(server: Server, tmp_path: Path) -> None:
    server.failures = 2
    fetch(archive(server), tmp_path)
    assert len(server.asked) == 3


def test_a_server_that_sends_nothing_is_given_up_and_the_bytes_that_came_are_kept(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "MAX_FRUITLESS_TRIES", 2)
    server.cut, server.cuts = 50_000, 1

    def send_nothing_more(*_: object) -> None:
        server.cut, server.cuts = 0, 99

    with pytest.raises(
        UserError, match=r"broke off 2 times without a new byte .*; 50000 bytes are kept, run the same command"
    ):
        fetch(archive(server), tmp_path, on_progress=send_nothing_more)
    server.cuts = 0
    fetch(archive(server), tmp_path)
    assert (tmp_path / "set/file.bin").read_bytes() == CONTENT


def test_a_file_with_another_checksum_is_removed_with_an_error(server: Server, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"was downloaded with MD5 {MD5}, expected 123; it was removed"):
        fetch(archive(server, md5="123"), tmp_path)
    assert not (tmp_path / "set/file.bin").exists()


def test_a_missing_file_is_an_error_at_once(server: Server, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nothing\.bin cannot be downloaded \(the server answers 404"):
        fetch(archive(server, url=f"{server.url}/nothing.bin"), tmp_path)
    assert len(server.asked) == 1


def test_an_unreachable_server_is_an_error_within_seconds(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/file.bin"
    with pytest.raises(UserError, match=r"cannot be downloaded \(.*refused"):
        fetch(Archive(url, "file.bin"), tmp_path)


def test_too_little_space_is_an_error_before_the_first_byte(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil

    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**6, 10**6, 10))  # type: ignore[attr-defined]
    with pytest.raises(UserError, match="has 0 MiB free, but 0 MiB are needed; make room"):
        fetch(archive(server), tmp_path)


def test_two_processes_do_not_write_one_file(server: Server, tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    with (
        FileLock(tmp_path / "set/file.bin.lock"),
        pytest.raises(UserError, match="is being fetched by another process"),
    ):
        fetch(archive(server), tmp_path)


def test_a_file_that_is_there_is_not_fetched(server: Server, tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set/file.bin").write_bytes(b"mine")
    fetch(archive(server), tmp_path)
    assert server.asked == []


def tar_gz(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def test_a_damaged_archive_that_the_user_put_there_stays(server: Server, tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set/a.tar.gz").write_bytes(b"mine")
    with pytest.raises(UserError, match=r"(?s)cannot be unpacked .*; it was there before, so it stays: move it away"):
        fetch(Archive(f"{server.url}/a.tar.gz", "set/a.tar.gz", "", "tar", "set", {"set/x": ""}), tmp_path)
    assert (tmp_path / "set/a.tar.gz").read_bytes() == b"mine"


def test_an_archive_that_the_user_put_there_is_unpacked_and_stays(server: Server, tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set/a.tar.gz").write_bytes(tar_gz({"inner/x.bin": b"x"}))
    fetch(Archive(f"{server.url}/a.tar.gz", "set/a.tar.gz", "", "tar", "set", {"set/inner/x.bin": ""}), tmp_path)
    assert {"inner", "a.tar.gz"} <= {path.name for path in (tmp_path / "set").iterdir()}


def test_a_folder_in_the_place_of_an_archives_content_is_not_replaced(server: Server, tmp_path: Path) -> None:
    (tmp_path / "set/inner").mkdir(parents=True)
    (tmp_path / "set/inner/mine.txt").write_text("mine")
    server.files = {"/a.tar.gz": tar_gz({"inner/x.bin": b"x"})}
    with pytest.raises(UserError, match="inner is there already, and not complete; move it away"):
        fetch(Archive(f"{server.url}/a.tar.gz", "set/a.tar.gz", "", "tar", "set", {"set/inner/x.bin": ""}), tmp_path)
    assert (tmp_path / "set/inner/mine.txt").read_text() == "mine"


def test_archives_are_unpacked_and_removed(server: Server, tmp_path: Path) -> None:
    server.files = {"/a.tar.gz": tar_gz({"inner/x.bin": b"x"}), "/y.gz": gzip.compress(b"y")}
    fetch(Archive(f"{server.url}/a.tar.gz", "set/a.tar.gz", "", "tar", "set", {"set/inner/x.bin": ""}), tmp_path)
    fetch(Archive(f"{server.url}/y.gz", "set/y.gz", "", "gzip", gives={"set/y": ""}), tmp_path)
    left = {path.name for path in (tmp_path / "set").iterdir() if not path.name.endswith(".lock")}
    assert left == {"inner", "y"}
    assert (tmp_path / "set/inner/x.bin").read_bytes() + (tmp_path / "set/y").read_bytes() == b"xy"


@pytest.mark.parametrize("content", [tar_gz({"x": CONTENT})[:-3000], b"no archive"])
def test_a_damaged_archive_leaves_nothing_behind(content: bytes, server: Server, tmp_path: Path) -> None:
    server.files = {"/a.tar.gz": content}
    with pytest.raises(UserError, match="cannot be unpacked"):
        fetch(Archive(f"{server.url}/a.tar.gz", "set/a.tar.gz", "", "tar", "set", {"set/x": ""}), tmp_path)
    assert not (tmp_path / "set/x").exists()


def test_a_member_that_leaves_the_folder_is_refused(server: Server, tmp_path: Path) -> None:
    server.files = {"/a.tar.gz": tar_gz({"../../out": b"x"})}
    with pytest.raises(UserError, match="cannot be unpacked"):
        fetch(Archive(f"{server.url}/a.tar.gz", "set/a.tar.gz", "", "tar", "set", {"set/x": ""}), tmp_path)
    assert not (tmp_path.parent / "out").exists()


def test_visda_comes_from_its_archives_and_is_verified(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_datasets.visda(tmp_path / "theirs", _visda.CLASSES, per_class=40, size=(8, 12))
    for part in ("train", "validation"):
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            tar.add(tmp_path / "theirs/visda" / part, arcname=part)
        server.files[f"/{part}.tar"] = buffer.getvalue()
    server.cut, server.cuts = 200_000, 3
    monkeypatch.setattr(_visda, "OWNER", server.url)
    found = prepare.prepare("visda", tmp_path / "mine")
    assert found["problems"] == [
        "the label budget is 1000, but 480 images are there to draw it from",
        "source holds 480 images, its owner counts 152,397",
        "target_train holds 480 images, its owner counts 55,388",
        "target_test holds 480 images, its owner counts 55,388",
    ]
    assert (tmp_path / "mine/visda.prepared.json").is_file()
    asked = len(server.asked)
    assert prepare.prepare("visda", tmp_path / "mine", check=True)["fingerprint"] == found["fingerprint"]
    assert len(server.asked) == asked


def test_small_sets_come_from_a_mirror_with_their_checksums(server: Server, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    for part in ("svhn", "mnist"):
        (theirs / part).mkdir(parents=True)
        getattr(fake_datasets, part)(theirs / part)
    for file in (theirs / "mnist/MNIST/raw").iterdir():
        server.files[f"/{file.name}.gz"] = gzip.compress(file.read_bytes())
    for file in (theirs / "svhn").iterdir():
        server.files[f"/{file.name}"] = file.read_bytes()
    with pytest.raises(UserError, match=r"train_32x32\.mat was downloaded with MD5 .*, expected e26dedcc.*by hand"):
        prepare.prepare("svhn_mnist", tmp_path / "mine", mirror=server.url)


def test_checksums_of_files_put_there_by_hand_are_compared(tmp_path: Path) -> None:
    for part in ("svhn", "mnist"):
        (tmp_path / part).mkdir()
        getattr(fake_datasets, part)(tmp_path / part)
    problems = prepare.prepare("svhn_mnist", tmp_path, check=True)["problems"]
    assert any("svhn/train_32x32.mat has MD5" in one and "e26dedcc" in one for one in problems)
    assert any("its owner counts 73,257" in one for one in problems)


def test_every_small_pair_says_what_it_fetches() -> None:
    for archive_ in svhn_mnist.archives() + _torchvision.archives("usps", "stl10", "cifar10"):
        assert archive_.url.startswith("http")
        assert len(archive_.md5) == 32
    files = {path for names in _torchvision.FILES for path in (f"{names}/{f}" for f in _torchvision.FILES[names])}
    gives = {path for one in _torchvision.archives(*_torchvision.FILES) for path in one.gives}
    assert files == gives


@pytest.mark.parametrize(
    ("name", "wanted"),
    [("svhn_mnist", "svhn/train_32x32.mat"), ("visda", "visda/train"), ("gta5_cityscapes", "gta5/labels/00001.png")],
)
def test_without_a_network_it_says_which_file_is_wanted_where(
    name: str, wanted: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise socket.gaierror("no network")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(UserError) as caught:
        prepare.prepare(name, tmp_path)
    assert wanted in str(caught.value)
    assert str(tmp_path) in str(caught.value)
