"""An integrator's server in a process of its own, which takes webhooks as a file tells it to.

`receiver.py PORT FOLDER [CERTIFICATE KEY]`: each request is appended to FOLDER/requests as a line of JSON, then answered
as the word in FOLDER/mode says: `ok`, `fail`, or `die`, which ends the process with the request in its hands.
"""

import http.server
import json
import os
import pathlib
import ssl
import sys


class Receiver(http.server.BaseHTTPRequestHandler):
    folder: pathlib.Path

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        headers = {name.lower(): value for name, value in self.headers.items()}
        with (self.folder / "requests").open("a") as log:
            log.write(json.dumps({"headers": headers, "body": body}) + "\n")
        mode = (self.folder / "mode").read_text()
        if mode == "die":
            os._exit(1)
        self.send_response(204 if mode == "ok" else 500)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_args):
        pass


def main():
    port, Receiver.folder = int(sys.argv[1]), pathlib.Path(sys.argv[2])
    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Receiver)
    if len(sys.argv) > 3:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[3], sys.argv[4])
        server.socket = context.wrap_socket(server.socket, server_side=True)
    print("ready", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
