"""Serve one model over the part of the Hugging Face hub's protocol that its client needs to fetch a model."""

import contextlib
import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@contextlib.contextmanager
def hub(folder, name):
    """Serve a model's folder under `name`. Yield the hub's address and the growing list of fetched files."""
    files = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    place = f"/{name}/resolve/{COMMIT}/"
    fetched = []

    class Hub(BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.do_GET(with_body=False)

        def do_GET(self, with_body=True):
            path = self.path.split("?")[0]
            if path in (f"/api/models/{name}/revision/main", f"/api/models/{name}/revision/{COMMIT}"):
                info = {"id": name, "sha": COMMIT, "private": False, "downloads": 0, "tags": [], "likes": 0}
                self.respond(json.dumps(info | {"siblings": [{"rfilename": file} for file in files]}).encode())
            elif path == f"/api/models/{name}/tree/{COMMIT}":
                entries = [
                    {"type": "file", "path": file, "size": len(data), "oid": "0"} for file, data in files.items()
                ]
                self.respond(json.dumps(entries).encode())
            elif path.startswith(place) and path.removeprefix(place) in files:
                file = path.removeprefix(place)
                if with_body:
                    fetched.append(file)
                self.respond(files[file], etag=hashlib.sha256(files[file]).hexdigest(), with_body=with_body)
            else:
                self.send_error(404)

        def respond(self, data, etag="0", with_body=True):
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.send_header("ETag", f'"{etag}"')
            self.send_header("X-Repo-Commit", COMMIT)
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
