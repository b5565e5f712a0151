"""A server on loopback that speaks as much of the Hugging Face hub's protocol as publishing and getting files needs."""

import base64
import contextlib
import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

SHA = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Hub:
    """What the server holds and was asked.

    Attributes:
        token: that of the only user who may write.
        files: data set → path → content.
        requests: method and path of each request.
    """

    token: str
    url: str = ""
    files: dict[str, dict[str, bytes]] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    stored: dict[str, bytes] = field(default_factory=dict)


@contextlib.contextmanager
def local_hub(token: str) -> Iterator[Hub]:
    """Serve an empty hub within the block."""
    hub = Hub(token)

    class Handler(_Handler):
        of = hub

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield hub
    finally:
        server.shutdown()


class _Handler(BaseHTTPRequestHandler):
    of: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        path, body = self._note(), self._body()
        if not self._may_write():
            return self._answer({"error": "Invalid username or password."}, 401)
        if path == "/api/validate-yaml":
            return self._answer({"errors": [], "warnings": []})
        if path == "/api/repos/create":
            asked = json.loads(body)
            name = f"{asked['organization']}/{asked['name']}" if asked.get("organization") else asked["name"]
            self.of.files.setdefault(name, {})
            return self._answer({"url": f"{self.of.url}/datasets/{name}", "name": name})
        if "/preupload/" in path:  # like the hub: parquet files go to its large storage
            modes = {one["path"]: "lfs" if one["path"].endswith(".parquet") else "regular"
                     for one in json.loads(body)["files"]}  # fmt: skip
            files = [{"path": one, "uploadMode": mode, "shouldIgnore": False} for one, mode in modes.items()]
            return self._answer({"files": files})
        if path.endswith("/info/lfs/objects/batch"):
            objects = [
                {"oid": one["oid"], "size": one["size"],
                 "actions": {"upload": {"href": f"{self.of.url}/large/{one['oid']}", "header": {}}}}
                for one in json.loads(body)["objects"]
            ]  # fmt: skip
            return self._answer({"transfer": "basic", "objects": objects})
        if "/commit/" in path:
            return self._commit(path, body)
        return self._answer({"error": f"unknown {path}"}, 404)

    def do_PUT(self) -> None:
        path, body = self._note(), self._body()
        self.of.stored[path.rpartition("/")[2]] = body
        self._answer({})

    def do_HEAD(self) -> None:
        self._file(self._note(), with_body=False)

    def do_GET(self) -> None:
        path = self._note()
        if path.startswith("/api/datasets/"):
            name = "/".join(path.split("/")[3:5])
            if name not in self.of.files:
                return self._answer({"error": "Repository not found"}, 404, {"X-Error-Code": "RepoNotFound"})
            siblings = [
                {"rfilename": one, "size": len(content), "blobId": hashlib.sha1(content).hexdigest()}
                for one, content in self.of.files[name].items()
            ]
            if "/tree/" in path:
                tree = [{"type": "file", "path": one["rfilename"], "size": one["size"], "oid": one["blobId"]}
                        for one in siblings]  # fmt: skip
                return self._answer(tree)
            return self._answer({"id": name, "sha": SHA, "siblings": siblings, "private": False, "tags": []})
        return self._file(path, with_body=True)

    def _commit(self, path: str, body: bytes) -> None:
        name = "/".join(path.split("/")[3:5])
        for line in (json.loads(one) for one in body.splitlines() if one.strip()):
            value = line["value"]
            if line["key"] == "file":
                self.of.files[name][value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                self.of.files[name][value["path"]] = self.of.stored[value["oid"]]
        url = f"{self.of.url}/datasets/{name}/commit/{SHA}"
        self._answer({"commitUrl": url, "commitOid": SHA, "pullRequestUrl": None})

    def _file(self, path: str, with_body: bool) -> None:
        parts = path.split("/")  # /datasets/OWNER/NAME/resolve/REVISION/PATH
        content = self.of.files.get("/".join(parts[2:4]), {}).get("/".join(parts[6:]))
        if content is None:
            return self._answer({"error": "not found"}, 404, {"X-Error-Code": "EntryNotFound"})
        etag = f'"{hashlib.sha256(content).hexdigest()}"'
        return self._send(content, 200, {"ETag": etag, "X-Repo-Commit": SHA}, with_body)

    def _may_write(self) -> bool:
        return self.headers.get("Authorization") == f"Bearer {self.of.token}"

    def _note(self) -> str:
        path = unquote(self.path.partition("?")[0])
        self.of.requests.append(f"{self.command} {path}")
        return path

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            parts = []
            while size := int(self.rfile.readline().strip() or b"0", 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _answer(self, content: Any, status: int = 200, headers: dict[str, str] | None = None) -> None:
        self._send(json.dumps(content).encode(), status, {"Content-Type": "application/json"} | (headers or {}), True)

    def _send(self, content: bytes, status: int, headers: dict[str, str], with_body: bool) -> None:
        self.send_response(status)
        for key, value in (headers | {"Content-Length": str(len(content))}).items():
            self.send_header(key, value)
        self.end_headers()
        if with_body and self.command != "HEAD":
            self.wfile.write(content)
