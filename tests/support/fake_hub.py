"""Serve one model over the part of the Hugging Face hub's protocol that its client needs to fetch a model."""

import contextlib
import hashlib
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT, NEXT = "0123456789abcdef0123456789abcdef01234567", "fedcba9876543210fedcba9876543210fedcba98"


@contextlib.contextmanager
def hub(folder, name, then=None):
    """Serve a model's folder under `name`. Yield the hub's address and the growing list of fetched files.

    If there is a second folder `then`, the branch main moves there once it has been asked for.
    """
    commits = {COMMIT: _files(folder)} | ({} if then is None else {NEXT: _files(then)})
    fetched, asked = [], []

    class Hub(BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.do_GET(with_body=False)

        def do_GET(self, with_body=True):
            path = self.path.split("?")[0]
            found = re.fullmatch(f"/(?:api/models/)?{name}/(revision|tree|resolve)/([^/]+)/?(.*)", path)
            kind, revision, file = found.groups() if found else ("", "", "")
            if kind == "revision" and revision == "main":
                revision = list(commits)[-1 if asked else 0]
                asked.append(revision)
            self.commit, files = revision, commits.get(revision, {})
            if kind == "revision" and files:
                info = {"id": name, "sha": revision, "private": False, "downloads": 0, "tags": [], "likes": 0}
                self.respond(json.dumps(info | {"siblings": [{"rfilename": file} for file in files]}).encode())
            elif kind == "tree" and files:
                entries = [
                    {"type": "file", "path": file, "size": len(data), "oid": "0"} for file, data in files.items()
                ]
                self.respond(json.dumps(entries).encode())
            elif file in files:
                if with_body:
                    fetched.append(file)
                self.respond(files[file], etag=hashlib.sha256(files[file]).hexdigest(), with_body=with_body)
            else:
                self.send_error(404)

        def respond(self, data, etag="0", with_body=True):
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.send_header("ETag", f'"{etag}"')
            self.send_header("X-Repo-Commit", self.commit)
            self.end_headers()
            if with_body:
                self.wfile.write(data)

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", fetched
    finally:
        server.shutdown()
        server.server_close()


def _files(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
