"""Sessions that a server does not bring back when it starts again: here because it is in another region by then. They end as
their times say, and when somebody ends them."""

import json
import sqlite3
import time
import unittest

from livekit import api as livekit

from control import OwnServerTest, Seat
from server import API_KEY, API_SECRET
from test_livekit import until

HOURS_MS = 3_600_000


class RestoreTest(OwnServerTest):
    def move_to(self, region: str, while_down=lambda: None) -> None:
        """The server stops at once and starts in this region."""
        self.server.process.kill()
        self.server.process.wait()
        while_down()
        lines = [line for line in self.server.file.read_text().splitlines() if not line.startswith("region")]
        lines.insert(lines.index("[sessions]") + 1, f'region = "{region}"')
        self.server.file.write_text("\n".join(lines))
        self.server.start()

    def begun_hours_ago(self, session: str, hours: int) -> None:
        with sqlite3.connect(self.server.store) as store:
            (kept,) = store.execute("SELECT snapshot FROM session WHERE id = ?", (session,)).fetchone()
            snapshot = json.loads(kept) | {"begun_at_ms": int(time.time() * 1000) - hours * HOURS_MS}
            store.execute("UPDATE session SET snapshot = ? WHERE id = ?", (json.dumps(snapshot), session))
        store.close()

    def phase(self, session: str) -> str:
        return self.api.must("GET", f"/sessions/{session}")["phase"]

    def ends(self, session: str) -> list[str]:
        events = self.api.must("GET", f"/events?session={session}&limit=1000")["events"]
        return [one["data"]["reason"] for one in events if one["type"] == "session.ended"]

    async def test_a_session_that_no_worker_takes_ends_as_its_times_say(self):
        self.move_to("here")
        # The first stands before the other when they are tried again.
        going_on, over = [self.api.session(policy={"region": "here"}) for _ in range(2)]
        for session in (going_on, over):
            async with Seat(self.server.url, self.api.redeem(self.api.ticket(session, "t", "therapist"))):
                # When this is answered, the session is on the disk as one that somebody had come to.
                self.api.must("PUT", f"/sessions/{session}/lock", {"locked": True})
        self.move_to("there", lambda: self.begun_hours_ago(over, 5))
        await until("it is over", lambda: self.phase(over) == "ended")
        self.assertEqual(self.ends(over), ["max_duration"])
        self.assertNotEqual(self.phase(going_on), "ended")

        rooms = livekit.LiveKitAPI(self.server.page, API_KEY, API_SECRET)
        try:
            await rooms.room.delete_room(livekit.DeleteRoomRequest(room=going_on))
            self.assertEqual((self.phase(going_on), self.ends(going_on)), ("ended", ["command"]))
            with self.assertRaises(livekit.TwirpError) as refusal:
                await rooms.room.delete_room(livekit.DeleteRoomRequest(room=going_on))
            self.assertEqual(refusal.exception.code, "not_found")
        finally:
            await rooms.aclose()

    async def test_a_session_that_nobody_came_to_is_ended_by_the_room_service_after_a_start(self):
        now = int(time.time() * 1000)
        planned = {"starts_at_ms": now + 24 * HOURS_MS, "planned_minutes": 50, "opens_minutes_before": 15}
        sessions = [self.api.session(), self.api.session(schedule=planned), self.api.session(policy={"region": "here"})]
        self.move_to("there")
        rooms = livekit.LiveKitAPI(self.server.page, API_KEY, API_SECRET)
        try:
            for session in sessions:
                await rooms.room.delete_room(livekit.DeleteRoomRequest(room=session))
                self.assertEqual((self.phase(session), self.ends(session)), ("ended", ["command"]))
        finally:
            await rooms.aclose()


if __name__ == "__main__":
    unittest.main()
