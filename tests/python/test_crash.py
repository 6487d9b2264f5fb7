"""kill -9 in the middle of a live session: nothing that was acknowledged is lost, the server is back at once with everyone
held, and the audit chain is whole.

PARLOUR_CRASHES says how often (200 for the whole test; a few by default).
"""

import asyncio
import os
import random
import threading
import time
import unittest

from control import Api, Seat
from server import Server

CRASHES = int(os.environ.get("PARLOUR_CRASHES", "8"))
SEED = int(os.environ.get("PARLOUR_SEED", "1"))


class Acknowledged:
    """What the server said yes to, and the one thing that was asked last and perhaps not answered."""

    def __init__(self):
        self.sessions, self.tickets = set(), set()
        self.locked, self.floor, self.held = {False}, {"open"}, {False}


def work(api: Api, session: str, known: Acknowledged, dice: random.Random) -> None:
    """Asks one thing after another until the server is gone."""
    while True:
        what = dice.randrange(5)
        try:
            if what == 0:
                known.sessions.add(api.session(external_id="crash"))
            elif what == 1:
                issued = api.must("POST", f"/sessions/{session}/tickets", {"identity": "later", "role": "guest"})
                known.tickets.add(issued["id"])
            elif what == 2:
                to = dice.random() < 0.5
                asked, known.locked = known.locked, known.locked | {to}
                api.must("PUT", f"/sessions/{session}/lock", {"locked": to})
                known.locked = {to}
            elif what == 3:
                to = dice.choice(["open", "therapist_only"])
                known.floor |= {to}
                api.must("PUT", f"/sessions/{session}/floor", {"mode": to})
                known.floor = {to}
            else:
                to = dice.random() < 0.5
                known.held |= {to}
                api.must("POST", f"/sessions/{session}/participants/a/{'hold' if to else 'resume'}")
                known.held = {to}
        except OSError:
            return


class CrashTest(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        self.server = Server(ad_hoc=False)
        self.server.__enter__()
        self.addCleanup(self.server.__exit__, None, None, None)

    async def test_a_killed_server_loses_no_acknowledged_command(self):
        server, dice, slowest = self.server, random.Random(SEED), 0.0
        api = Api(server.page, server.key("all"))
        session = api.session(kind="couple", policy={"max_participants": 12})
        tokens = {who: api.redeem(api.ticket(session, who, role)) for who, role in
                  (("t", "therapist"), ("a", "client"), ("b", "client"))}
        known = Acknowledged()
        for crash in range(CRASHES):
            async with Seat(server.url, tokens["t"]), Seat(server.url, tokens["a"]), Seat(server.url, tokens["b"]):
                if crash == 0:
                    for who in "ab":
                        api.must("POST", f"/sessions/{session}/participants/{who}/admit")
                else:
                    # Held since the restart, and free again when the therapist says so.
                    self.assertEqual((api.place(session, "a"), api.place(session, "b")), ("hold", "hold"), f"seed {SEED}")
                    await asyncio.to_thread(api.must, "POST", f"/sessions/{session}/resume-all")
                    known.held = {False}
                    self.assertEqual(api.place(session, "b"), "main")
                worker = threading.Thread(target=work, args=(api, session, known, random.Random(dice.random())))
                worker.start()
                await asyncio.sleep(dice.random() * 0.25)
                server.process.kill()
                server.process.wait()
                await asyncio.to_thread(worker.join)
            begun = time.monotonic()
            server.start()
            slowest = max(slowest, time.monotonic() - begun)
            self.verify(api, session, known, crash)
        print(f"{CRASHES} crashes, slowest start {slowest:.2f} s, {len(known.sessions)} sessions and "
              f"{len(known.tickets)} tickets acknowledged")

    def verify(self, api: Api, session: str, known: Acknowledged, crash: int) -> None:
        said = f"crash {crash}, seed {SEED}"
        there, cursor = set(), ""
        while cursor is not None:
            page = api.must("GET", f"/sessions?limit=1000{cursor and '&cursor=' + cursor}")
            there |= {one["id"] for one in page["sessions"]}
            cursor = page["next_cursor"]
        self.assertLessEqual(known.sessions, there, said)
        tickets = {one["id"] for one in api.must("GET", f"/sessions/{session}/tickets")["tickets"]}
        self.assertLessEqual(known.tickets, tickets, said)
        view = api.view(session)
        self.assertIn(view["session"]["locked"], known.locked, said)
        self.assertIn(view.get("floor", {"mode": "open"})["mode"], known.floor, said)
        self.assertTrue(all(one["held"] for one in view["people"] if one["role"] == "client"), said)
        # What was unknown is what it is now.
        known.locked = {view["session"]["locked"]}
        known.floor = {view.get("floor", {"mode": "open"})["mode"]}
        # The door would keep those out who come back.
        api.must("PUT", f"/sessions/{session}/lock", {"locked": False})
        known.locked = {False}
        self.assertTrue(api.must("GET", "/audit/verification")["whole"], said)
        walked = self.server.run("audit", "verify")
        self.assertEqual(walked.returncode, 0, walked.stdout + walked.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
