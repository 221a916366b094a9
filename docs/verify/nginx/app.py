"""An app that knows no tokens: nginx has asked, and says in three headers who it is.

    python3 app.py 9000

It listens on the loopback address alone: whoever could reach it past nginx could be anybody.
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote


class App(BaseHTTPRequestHandler):
    def do_GET(self):
        groups = self.headers.get("X-Auth-Groups")
        username = self.headers.get("X-Auth-Username")
        body = {
            "user": self.headers.get("X-Auth-User-Id"),
            # Percent-encoded, as a header is no place for every letter that a name may have.
            "username": unquote(username) if username else None,
            "groups": [unquote(group) for group in groups.split(",")] if groups else [],
        }
        answer = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), App).serve_forever()
