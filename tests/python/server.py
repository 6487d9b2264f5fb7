"""A `parlour serve` of our own on free ports, with a key that the tests sign tokens with."""

import os
import pathlib
import random
import resource
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request

import jwt

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.environ.get("PARLOUR_BIN", str(ROOT / "target/debug/parlour"))
API_KEY = "testkey"
API_SECRET = "a secret for tests that is long enough"


# Below those that systems give to sockets without one (Linux: from 32768): the clients of a test open many, and a server
# that is started again must find its own.
PORTS = range(20_000, 32_000)


def free_port() -> int:
    """Free for TCP and for UDP."""
    for port in random.sample(PORTS, 100):
        try:
            with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
                tcp.bind(("0.0.0.0", port))
                udp.bind(("0.0.0.0", port))
            return port
        except OSError:
            continue
    raise RuntimeError("no port is free")


def config(http: int, media: int, stun: int, ad_hoc: bool) -> str:
    return f"""
[http]
listen = "127.0.0.1:{http}"

[media]
addresses = ["0.0.0.0"]
first_port = {media}
stun_port = {stun}
workers = 1

[sessions]
ad_hoc = {str(ad_hoc).lower()}
waiting_room = false
duplicate_identity = "replace"

[keys.{API_KEY}]
secret = "{API_SECRET}"
"""


class Server:
    """Started on entry, interrupted on exit; a run that logs an ERROR or panics fails."""

    def __init__(self, ad_hoc: bool = True, extra: str = ""):
        self.ad_hoc, self.extra = ad_hoc, extra

    def __enter__(self) -> "Server":
        self.folder = tempfile.TemporaryDirectory(prefix="parlour-python-")
        folder = pathlib.Path(self.folder.name)
        http = free_port()
        self.file = folder / "parlour.toml"
        self.file.write_text(config(http, free_port(), free_port(), self.ad_hoc) + self.extra)
        self.store = folder / "parlour.db"
        self.log = folder / "log"
        self.page = f"http://127.0.0.1:{http}"
        self.url = f"ws://127.0.0.1:{http}"
        self.start()
        return self

    def start(self) -> None:
        """Begins, or begins again with the same store and ports."""
        with self.log.open("ab") as log:
            # SIGXFSZ stays ignored, as it is here: see `block_store`.
            command = [BINARY, "serve", "--config", str(self.file)]
            self.process = subprocess.Popen(command, stdout=log, stderr=log, restore_signals=False)
        try:
            self._wait_until_ready()
        except BaseException:
            self.__exit__(None, None, None)
            raise

    def block_store(self) -> None:
        """From now on no file can be written by the server, as on a full disk."""
        resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))

    def unblock_store(self) -> None:
        """There is room again."""
        resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)

    def run(self, *words: str) -> subprocess.CompletedProcess:
        """Another command of the same program, on the same configuration."""
        command = [BINARY, *words, "--config", str(self.file)]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    def key(self, *scopes: str) -> str:
        """An API key."""
        made = self.run("key", "create", "--scopes", ",".join(scopes) or "all")
        assert made.returncode == 0, made.stderr
        return made.stdout.strip()

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + 15
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError(f"the server ended: {self.log.read_text()}")
            try:
                with urllib.request.urlopen(f"{self.page}/readyz", timeout=1):
                    return
            except OSError:
                time.sleep(0.02)
        raise RuntimeError(f"the server is not ready: {self.log.read_text()}")

    def __exit__(self, *_exc) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.said = self.log.read_text(errors="replace")
        self.folder.cleanup()

    def alarms(self) -> list[str]:
        return [line for line in self.said.splitlines() if "ERROR" in line or "panicked at" in line]


def token(session: str, identity: str, role: str = "therapist", lifetime: int = 600, **claims) -> str:
    """As an integrator makes it: LiveKit's claims and our role."""
    now = int(time.time())
    video = {"room": session, "roomJoin": True, "canUpdateOwnMetadata": True} | claims.pop("video", {})
    body = {
        "iss": API_KEY,
        "sub": identity,
        "name": identity,
        "nbf": now - 1,
        "exp": now + lifetime,
        "video": video,
        "parlour": {"role": role},
    }
    return jwt.encode(body | claims, API_SECRET, algorithm="HS256")
