"""Takes what a web hook of Countersign tells: pip install standardwebhooks"""

import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from standardwebhooks import Webhook, WebhookVerificationError

webhook = Webhook(os.environ["HOOK_SECRET"])
# In a database of yours, in the transaction that does what the message asks for.
seen = set()


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        # The bytes as they came: what was parsed and written again is another text.
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        try:
            webhook.verify(body, headers)
        except WebhookVerificationError:
            return self.answer(400)
        message = json.loads(body)
        # A message comes once or more, with one id.
        if headers["webhook-id"] not in seen:
            seen.add(headers["webhook-id"])
            print(message["type"], message["data"].get("user", {}).get("username"), flush=True)
        self.answer(204)

    def answer(self, status):
        self.send_response(status)
        self.end_headers()


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Receiver).serve_forever()
