"""A server that speaks as much of the Hugging Face Hub's protocol as its client needs, on 127.0.0.1."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit


@dataclass
class Hub:
    """What the server holds, and what it was asked.

    Attributes:
        repos: by name, by commit, by path: bytes.
        refs: by name, by branch or tag: a commit.
        large: LFS objects by sha256.
        asked: (method, path) of all requests.
        breaks_at: a file whose body ends in the middle, once; empty for none.
        goes_down: nobody answers after that.
        down: nobody answers.
        refused: status by a part of a path.
        private: repositories that are.
        lies: sizes that are stated, by path.
        token: that a writer needs.
    """

    repos: dict = field(default_factory=dict)
    refs: dict = field(default_factory=dict)
    large: dict = field(default_factory=dict)
    asked: list = field(default_factory=list)
    breaks_at: str = ""
    goes_down: bool = False
    down: bool = False
    refused: dict = field(default_factory=dict)
    private: set = field(default_factory=set)
    lies: dict = field(default_factory=dict)
    token: str = "hf_secretOfTheTests"
    address: str = ""

    def put(self, repo: str, files: dict, ref: str = "main") -> str:
        """Make a commit of files."""
        named = "".join(f"{path}:{hashlib.sha256(data).hexdigest()};" for path, data in sorted(files.items()))
        commit = hashlib.sha1(f"{repo}{named}".encode()).hexdigest()
        self.repos.setdefault(repo, {})[commit] = dict(files)
        self.refs.setdefault(repo, {})[ref] = commit
        return commit

    def files(self, repo: str, revision: str = "main") -> dict | None:
        """The files of a revision; None where there is none."""
        commits = self.repos.get(repo, {})
        return commits.get(self.refs.get(repo, {}).get(revision, revision))

    def commit(self, repo: str, revision: str) -> str:
        return self.refs[repo].get(revision, revision)

    def gets(self, part: str) -> int:
        """How many bodies of files were asked for whose path has that part."""
        return sum(method == "GET" and "/resolve/" in path and part in path for method, path in self.asked)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def log_message(self, *_):
        pass

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _answer(self, status: int, body: object = b"", **headers: str) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def _refused(self) -> bool:
        for part, status in self.hub.refused.items():
            if part in self.path:
                self._body()
                self._answer(status, {"error": "no"})
                return True
        return False

    def _serve(self) -> None:
        if self.hub.down:
            self.close_connection = True
            return
        self.hub.asked.append((self.command, unquote(self.path)))
        if self._refused():
            return
        parts = urlsplit(self.path)
        path, query = unquote(parts.path), parse_qs(parts.query)
        for method, pattern, name in ROUTES:
            if method == self.command and (match := re.fullmatch(pattern, path)):
                getattr(self, name)(*match.groups(), query)
                return
        self._body()
        self._answer(404, {"error": f"no {path}"})

    do_GET = do_HEAD = do_POST = do_PUT = _serve

    def _may_write(self) -> bool:
        if self.headers.get("Authorization") == f"Bearer {self.hub.token}":
            return True
        self._body()
        self._answer(401, {"error": "Invalid username or password."})
        return False

    def models(self, query):
        wanted = set(query.get("filter", []))
        found = []
        for repo in self.hub.repos:
            card = (self.hub.files(repo) or {}).get("README.md", b"").decode().split("\n---\n")[0]
            tags = {line[2:].strip().strip('"') for line in card.splitlines() if line.startswith("- ")}
            if wanted <= tags:
                found.append({"_id": repo, "id": repo, "modelId": repo, "tags": sorted(tags), "private": False})
        self._answer(200, found)

    def info(self, repo, revision, query):
        files = self.hub.files(repo, revision)
        if files is None:
            kind = "RepoNotFound" if repo not in self.hub.repos else "RevisionNotFound"
            self._answer(404, {"error": kind}, X_Error_Code=kind)
            return
        siblings = [
            {"rfilename": path, "size": self.hub.lies.get(path, len(data)), "blobId": "0" * 40}
            for path, data in files.items()
        ]
        self._answer(
            200,
            {
                "_id": repo,
                "id": repo,
                "modelId": repo,
                "private": repo in self.hub.private,
                "sha": self.hub.commit(repo, revision),
                "siblings": siblings,
            },
        )

    def resolve(self, repo, revision, path, query):
        files = self.hub.files(repo, revision)
        if files is None or path not in files:
            kind = "RepoNotFound" if repo not in self.hub.repos else "EntryNotFound"
            self._answer(404, {"error": kind}, X_Error_Code=kind)
            return
        data = files[path]
        etag = hashlib.sha256(data).hexdigest()
        first, last = 0, len(data) - 1
        if asked := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or ""):
            first, last = int(asked[1]), min(int(asked[2] or last), last)
        body = data[first : last + 1]
        self.send_response(206 if asked else 200)
        self.send_header("X-Repo-Commit", self.hub.commit(repo, revision))
        self.send_header("ETag", f'"{etag}"')
        self.send_header("Accept-Ranges", "bytes")
        if asked:
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(data)}")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "HEAD":
            return
        if path == self.hub.breaks_at:
            body = body[: len(body) // 2]
            self.close_connection, self.hub.breaks_at, self.hub.down = True, "", self.hub.goes_down
        self.wfile.write(body)

    def create(self, query):
        if not self._may_write():
            return
        asked = json.loads(self._body())
        repo = f"{asked['organization']}/{asked['name']}" if asked.get("organization") else asked["name"]
        if repo in self.hub.repos:
            self._answer(409, {"error": "You already created this model repo", "url": f"{self.hub.address}/{repo}"})
            return
        if asked.get("private") or asked.get("visibility") == "private":
            self.hub.private.add(repo)
        self.hub.put(repo, {".gitattributes": b"*.safetensors filter=lfs\n"})
        self._answer(200, {"url": f"{self.hub.address}/{repo}", "id": repo})

    def yaml(self, query):
        self._body()
        self._answer(200, {"errors": [], "warnings": []})

    def preupload(self, repo, revision, query):
        if not self._may_write():
            return
        asked = json.loads(self._body())["files"]
        files = [
            {
                "path": each["path"],
                "uploadMode": "lfs" if each["path"].endswith((".safetensors", ".png")) else "regular",
                "shouldIgnore": False,
            }
            for each in asked
        ]
        self._answer(200, {"files": files})

    def batch(self, repo, query):
        if not self._may_write():
            return
        objects = []
        for each in json.loads(self._body())["objects"]:
            missing = each["oid"] not in self.hub.large
            upload = {"upload": {"href": f"{self.hub.address}/lfs/{each['oid']}"}}
            objects.append({**each, **({"actions": upload} if missing else {})})
        self._answer(200, {"transfer": "basic", "objects": objects})

    def upload(self, oid, query):
        data = self._body()
        assert hashlib.sha256(data).hexdigest() == oid
        self.hub.large[oid] = data
        self._answer(200)

    def new_commit(self, repo, revision, query):
        if not self._may_write():
            return
        files = dict(self.hub.files(repo, revision) or {})
        for line in self._body().splitlines():
            each = json.loads(line)
            kind, value = each["key"], each["value"]
            if kind == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif kind == "lfsFile":
                files[value["path"]] = self.hub.large[value["oid"]]
            elif kind == "deletedFile":
                del files[value["path"]]
        commit = self.hub.put(repo, files, revision)
        self._answer(
            200,
            {
                "success": True,
                "commitOid": commit,
                "commitUrl": f"{self.hub.address}/{repo}/commit/{commit}",
                "hookOutput": "",
            },
        )


_REPO = r"([^/]+/[^/]+)"
ROUTES = (
    ("GET", "/api/models", "models"),
    ("GET", rf"/api/models/{_REPO}/revision/(.+)", "info"),
    ("GET", rf"/{_REPO}/resolve/([^/]+)/(.+)", "resolve"),
    ("HEAD", rf"/{_REPO}/resolve/([^/]+)/(.+)", "resolve"),
    ("POST", "/api/repos/create", "create"),
    ("POST", "/api/validate-yaml", "yaml"),
    ("POST", rf"/api/models/{_REPO}/preupload/(.+)", "preupload"),
    ("POST", rf"/{_REPO}\.git/info/lfs/objects/batch", "batch"),
    ("PUT", "/lfs/([0-9a-f]{64})", "upload"),
    ("POST", rf"/api/models/{_REPO}/commit/(.+)", "new_commit"),
)


@contextmanager
def serving():
    """A server that is up while the body runs."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"hub": hub}))
    server.daemon_threads = True
    hub.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
