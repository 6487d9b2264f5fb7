"""Webhooks to a receiver in a process of its own: LiveKit's form checked with its own SDK, TLS, and what is left when
either side is killed."""

import asyncio
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest
import unittest.mock
import urllib.request

from livekit import api

from server import API_KEY, API_SECRET, Server, free_port
from test_livekit import WAIT, Person, until

ANYWHERE = """
[webhooks]
allow_plain = true
allow_private = true
"""
# A failed delivery is tried again after 5 s, and once more a minute later.
RETRY = 45.0


class Receiver:
    """Started on entry, killed on exit; what came is kept over any number of lives."""

    def __init__(self, *tls: pathlib.Path):
        self.folder = tempfile.TemporaryDirectory(prefix="parlour-receiver-")
        self.path = pathlib.Path(self.folder.name)
        self.port, self.tls = free_port(), [str(file) for file in tls]
        self.url = f"{'https' if tls else 'http'}://localhost:{self.port}/hooks"
        self.process = None

    def start(self, mode: str = "ok") -> "Receiver":
        (self.path / "mode").write_text(mode)
        program = pathlib.Path(__file__).with_name("receiver.py")
        command = [sys.executable, str(program), str(self.port), str(self.path), *self.tls]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert self.process.stdout.readline() == b"ready\n"
        return self

    def stop(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()
            self.process = None

    def requests(self) -> list[dict]:
        file = self.path / "requests"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def places(self) -> list[tuple[str, int]]:
        """Session and number of each event that came, without repetitions."""
        seen = {request["headers"]["webhook-id"]: json.loads(request["body"])["data"] for request in self.requests()}
        return [(data["session"], data["seq"]) for data in seen.values()]


class WebhookTest(unittest.IsolatedAsyncioTestCase):
    def setUp(self):
        self.server = Server(extra=ANYWHERE)
        self.receiver = Receiver()
        self.people = []

    def enter(self):
        self.server.__enter__()
        self.key = self.server.key()

    async def asyncTearDown(self):
        for person in self.people:
            await person.leave()
        self.server.__exit__(None, None, None)
        self.receiver.stop()
        self.receiver.folder.cleanup()
        self.assertEqual(self.server.alarms(), [])

    def ask(self, method: str, path: str, body=None):
        request = urllib.request.Request(f"{self.server.page}/v1{path}", method=method)
        request.add_header("Authorization", f"Bearer {self.key}")
        if body is not None:
            request.add_header("Content-Type", "application/json")
            request.data = json.dumps(body).encode()
        with urllib.request.urlopen(request, timeout=WAIT) as answer:
            return json.loads(answer.read() or b"null")

    def endpoint(self) -> dict:
        return self.ask("GET", "/webhook-endpoints")["endpoints"][0]

    async def person(self, session: str, identity: str) -> Person:
        person = Person(self.server.url, session, identity)
        self.people.append(person)
        return await asyncio.wait_for(person.join(), WAIT)

    async def comes_and_goes(self, session: str):
        ada = await self.person(session, "ada")
        await ada.leave()
        self.people.remove(ada)

    async def test_a_receiver_made_for_livekit_is_told_of_rooms_people_and_tracks(self):
        self.enter()
        self.receiver.start()
        self.ask("POST", "/webhook-endpoints", {"url": self.receiver.url, "form": "livekit"})
        ada = await self.person("s", "ada")
        await ada.publish()
        rooms = api.LiveKitAPI(self.server.page, API_KEY, API_SECRET)
        await until("four events came", lambda: len(self.receiver.requests()) >= 4)
        await rooms.room.delete_room(api.DeleteRoomRequest(room="s"))
        await rooms.aclose()
        await until("all events came", lambda: len(self.receiver.requests()) >= 8)
        checked = api.WebhookReceiver(api.TokenVerifier(API_KEY, API_SECRET))
        forged = api.WebhookReceiver(api.TokenVerifier(API_KEY, "another secret that is long enough"))
        events = []
        for request in self.receiver.requests():
            self.assertEqual(request["headers"]["content-type"], "application/webhook+json")
            body, token = request["body"], request["headers"]["authorization"]
            events.append(checked.receive(body, token))
            with self.assertRaises(Exception):
                checked.receive(body + " ", token)
            with self.assertRaises(Exception):
                forged.receive(body, token)
        kinds = [event.event for event in events]
        self.assertEqual(kinds[:4], ["room_started", "participant_joined", "track_published", "track_published"])
        self.assertEqual(sorted(kinds[4:7]), ["participant_left", "track_unpublished", "track_unpublished"])
        self.assertEqual(kinds[7:], ["room_finished"])
        self.assertEqual({(event.room.name, event.room.sid[:3]) for event in events}, {("s", "RM_")})
        people = {(event.participant.identity, event.participant.sid[:3]) for event in events[1:7]}
        self.assertEqual(people, {("ada", "PA_")})
        self.assertEqual({event.track.type for event in events[2:4]}, {api.TrackType.AUDIO, api.TrackType.VIDEO})
        self.assertEqual(len({event.id for event in events}), len(events))

    async def test_nothing_is_lost_when_the_receiver_dies_with_an_event_in_its_hands(self):
        self.enter()
        self.receiver.start("die")
        self.ask("POST", "/webhook-endpoints", {"url": self.receiver.url})
        await self.comes_and_goes("s")
        await until("the receiver is dead", lambda: self.receiver.process.poll() is not None)
        self.receiver.stop()
        self.receiver.start()
        await until("all is delivered", lambda: self.endpoint()["pending"] == 0, RETRY)
        requests = self.receiver.requests()
        # What it died with came again, the same.
        self.assertEqual(requests[0]["headers"]["webhook-id"], requests[1]["headers"]["webhook-id"])
        self.assertEqual(requests[0]["body"], requests[1]["body"])
        places = self.receiver.places()
        self.assertEqual(places, [("s", seq) for seq in range(1, len(places) + 1)])

    async def test_nothing_is_lost_when_the_server_is_killed(self):
        self.enter()
        self.receiver.start("fail")
        self.ask("POST", "/webhook-endpoints", {"url": self.receiver.url})
        await self.comes_and_goes("s")
        await self.comes_and_goes("t")
        await until("both sessions failed once", lambda: {place[0] for place in self.receiver.places()} == {"s", "t"})
        before = self.endpoint()["pending"]
        self.server.process.kill()
        self.server.process.wait()
        self.receiver.stop()
        self.receiver.start("ok")
        self.server.start()
        await until("all is delivered", lambda: self.endpoint()["pending"] == 0, RETRY)
        places = self.receiver.places()
        self.assertGreaterEqual(len(places), before)
        for session in ("s", "t"):
            seqs = [seq for of, seq in places if of == session]
            self.assertEqual(seqs, list(range(1, len(seqs) + 1)))

    def certificate(self) -> tuple[pathlib.Path, pathlib.Path]:
        files = (self.receiver.path / "certificate.pem", self.receiver.path / "key.pem")
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
            + ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
            + ["-addext", "basicConstraints=critical,CA:FALSE", "-out", str(files[0]), "-keyout", str(files[1])],
            check=True,
            capture_output=True,
        )
        return files

    async def over_tls(self, trusted: bool):
        certificate, key = self.certificate()
        self.receiver.tls, self.receiver.url = [str(certificate), str(key)], self.receiver.url.replace("http:", "https:")
        self.receiver.start()
        with unittest.mock.patch.dict(os.environ, {"SSL_CERT_FILE": str(certificate)} if trusted else {}):
            self.enter()
        self.ask("POST", "/webhook-endpoints", {"url": self.receiver.url})
        await self.comes_and_goes("s")

    @unittest.skipUnless(shutil.which("openssl"), "needs openssl to make a certificate")
    async def test_events_go_over_tls_to_whom_this_machine_trusts(self):
        await self.over_tls(trusted=True)
        await until("all is delivered", lambda: self.receiver.places() and self.endpoint()["pending"] == 0, RETRY)
        self.assertEqual(self.receiver.places()[0], ("s", 1))

    @unittest.skipUnless(shutil.which("openssl"), "needs openssl to make a certificate")
    async def test_nothing_is_told_to_someone_who_cannot_show_who_they_are(self):
        await self.over_tls(trusted=False)

        def refused() -> bool:
            with urllib.request.urlopen(f"{self.server.page}/metrics", timeout=WAIT) as metrics:
                return b'parlour_webhook_deliveries_total{result="tls"} ' in metrics.read()

        await until("the handshake failed", refused)
        self.assertEqual(self.receiver.requests(), [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
