"""The control API against a running server: what it does, what it refuses, and its own document.

Run with the project's own Python: `.tools/venv/bin/python -m unittest discover -s tests/python`.
"""

import asyncio
import concurrent.futures
import contextlib
import hashlib
import json
import os
import pathlib
import resource
import socket
import subprocess
import sys
import time
import unittest
import urllib.error
import urllib.request

from control import Api, OwnServerTest, Seat
from server import Server, token

HERE = pathlib.Path(__file__).parent
DAY_MS = 86_400_000
# Ahead enough for a slow machine to ask before it is over.
SOON_MS = 2_000


def now_ms() -> int:
    return int(time.time() * 1000)


def sleep_until(at_ms: int) -> None:
    """Past this moment, by a little."""
    while (ahead := at_ms + 20 - now_ms()) > 0:
        time.sleep(ahead / 1000)


async def read_event(content) -> tuple[str, dict[str, str]]:
    """The next server-sent event: its name and fields."""
    fields = {}
    while (line := (await asyncio.wait_for(content.readline(), 30)).decode().rstrip("\r\n")) or "data" not in fields:
        name, _, value = line.partition(": ")
        if name:
            fields[name] = value
    return fields["event"], fields


class ApiTest(unittest.IsolatedAsyncioTestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(ad_hoc=False, extra="[api]\nstranger_requests_per_second = 20.0\n")
        cls.server.__enter__()
        cls.api = Api(cls.server.page, cls.server.key("all"))

    @classmethod
    def tearDownClass(cls):
        cls.server.__exit__(None, None, None)
        assert not cls.server.alarms(), cls.server.alarms()

    def couple(self, **policy) -> tuple[str, dict[str, Api]]:
        """A session with a therapist and two partners, each with the API as their page has it."""
        session = self.api.session(kind="couple", policy={"waiting_room": True, "duplicate_identity": "reject_new"} | policy)
        people = {"t": "therapist", "a": "client", "b": "client"}
        pages = {who: Api(self.server.page, self.api.redeem(self.api.ticket(session, who, role, name=who.upper())))
                 for who, role in people.items()}
        return session, pages

    def refused(self, api: Api, method: str, path: str, problem: str, status: int, body=None, raw=None, **headers):
        answer = api.ask(method, path, body, raw, **headers)
        self.assertEqual((answer.status, answer.problem), (status, problem), answer.raw)
        return answer

    # What it does.

    async def test_a_ticket_lets_one_person_in_once_and_its_second_use_is_on_record(self):
        session = self.api.session()
        ticket = self.api.ticket(session, "alex", name="Alex Å")
        redeemed = self.api.must("POST", "/tickets/redeem", {"ticket": ticket})
        self.assertEqual((redeemed["identity"], redeemed["role"], redeemed["name"]), ("alex", "client", "Alex Å"))
        self.refused(self.api, "POST", "/tickets/redeem", "ticket-refused", 403, {"ticket": ticket})
        page = self.api.must("GET", f"/audit?session={session}")
        self.assertEqual([(one["action"], one["detail"]) for one in page["records"]][-2:],
                         [("ticket.used", "client"), ("ticket.refused", "used")])
        # Neither the identity nor the name is in the log, nor the name in any file.
        self.assertNotIn("alex", json.dumps(page))
        files = b"".join(file.read_bytes() for file in self.server.store.parent.glob("parlour.db*"))
        self.assertNotIn("Alex Å".encode(), files)

    async def test_revoked_and_expired_tickets_let_nobody_in(self):
        session = self.api.session()
        issued = self.api.must("POST", f"/sessions/{session}/tickets", {"identity": "a", "role": "client"})
        self.api.must("DELETE", f"/sessions/{session}/tickets/{issued['id']}")
        self.refused(self.api, "POST", "/tickets/redeem", "ticket-refused", 403, {"ticket": issued["ticket"]})
        soon = self.api.ticket(session, "b", expires_at_ms=(over := now_ms() + SOON_MS))
        sleep_until(over)
        self.refused(self.api, "POST", "/tickets/redeem", "ticket-refused", 403, {"ticket": soon})
        self.refused(self.api, "POST", f"/sessions/{session}/tickets", "past-expiry", 422,
                     {"identity": "c", "role": "client", "expires_at_ms": now_ms() - 1})

    async def test_a_therapists_browser_leads_the_session_and_a_clients_does_not(self):
        session, pages = self.couple()
        at = f"/sessions/{session}"
        seats = [Seat(self.server.url, pages[who].secret) for who in "tab"]
        async with seats[0], seats[1], seats[2]:
            self.assertEqual(pages["a"].view(session)["me"]["place"], "waiting")
            self.assertNotIn("people", pages["a"].view(session))
            self.refused(pages["a"], "POST", f"{at}/participants/a/admit", "not-allowed", 403)
            for who in "ab":
                pages["t"].must("POST", f"{at}/participants/{who}/admit")
                self.assertEqual(pages[who].view(session)["me"]["place"], "main")
            pages["t"].must("PUT", f"{at}/floor", {"mode": "one_voice", "identity": "a"})
            self.assertEqual(pages["b"].view(session)["floor"], {"mode": "one_voice", "identity": "a"})
            receipt = pages["t"].must("POST", f"{at}/check-ins", {"participants": ["a"]})
            self.assertEqual((receipt["members"], receipt["held"]), (["a", "t"], ["b"]))
            self.assertEqual(pages["b"].view(session)["me"]["place"], "hold")
            self.assertEqual(self.api.must("GET", f"{at}/check-ins")["check_ins"][0]["id"], receipt["id"])
            pages["t"].must("DELETE", f"{at}/check-ins/{receipt['id']}")
            self.assertEqual(pages["b"].view(session)["me"]["place"], "main")
            pages["a"].must("POST", f"{at}/signal")
            self.assertEqual([one["identity"] for one in pages["t"].view(session)["signals"]], ["a"])
            handed = pages["b"].must("POST", f"{at}/hand-over")
            typed = {"ticket": handed["code"].lower().replace("-", " ")}
            taken = [self.api.must("POST", "/tickets/redeem", typed, idempotency_key="typed") for _ in range(2)]
            self.assertEqual((taken[0]["identity"], taken[0]["token"]), ("b", taken[1]["token"]))
            for again in (typed, {"ticket": handed["ticket"]}):
                self.refused(self.api, "POST", "/tickets/redeem", "ticket-refused", 403, again)
            pages["a"].must("POST", f"{at}/quick-exit")
            self.assertEqual([one["identity"] for one in pages["t"].view(session)["quick_exits"]], ["a"])
            pages["t"].must("POST", f"{at}/end")
        self.assertEqual(self.api.must("GET", at)["phase"], "ended")
        self.refused(self.api, "POST", f"{at}/tickets", "session-ended", 409, {"identity": "x", "role": "client"})
        self.refused(pages["t"], "PUT", f"{at}/lock", "session-ended", 409, {"locked": True})
        actions = [one["action"] for one in self.api.must("GET", f"/audit?session={session}")["records"]]
        for action in ("participant.admitted", "check_in.started", "check_in.ended", "floor.changed", "session.ended"):
            self.assertIn(action, actions)

    async def test_what_a_therapist_decides_is_on_record_without_names(self):
        schedule = {"starts_at_ms": now_ms(), "planned_minutes": 50}
        session = self.api.session(schedule=schedule, policy={"waiting_room": False, "end_after_schedule_minutes": 5})
        pages = {who: Api(self.server.page, self.api.redeem(self.api.ticket(session, who, role)))
                 for who, role in (("therapist-1", "therapist"), ("ann", "client"), ("ben", "client"))}
        at, therapist = f"/sessions/{session}", pages["therapist-1"]
        seats = [Seat(self.server.url, page.secret) for page in pages.values()]
        async with seats[0], seats[1], seats[2]:
            therapist.must("PUT", f"{at}/lock", {"locked": True})
            therapist.must("POST", f"{at}/participants/ann/mute", {"target": "audio"})
            until_ms = now_ms() + 70 * 60_000
            therapist.must("POST", f"{at}/extend", {"until_ms": until_ms})
            pages["ann"].must("PUT", f"{at}/same-room", {"a": "ann", "b": "ben", "how": "audio"})
            pages["ben"].must("POST", f"{at}/hand-over")
        page = self.api.must("GET", f"/audit?session={session}&limit=1000")["records"]
        # Arrivals are written down as they are told, perhaps in between.
        page = [one for one in page if one["action"] != "participant.joined"]
        asked = [index for index, one in enumerate(page) if one["action"] == "command.asked"]
        who = {page[index]["detail"]: page[index]["actor"] for index in asked}
        self.assertEqual([(page[index + 1]["action"], page[index + 1]["actor"]) for index in asked],
                         [("session.lock_changed", who["lock"]), ("participant.muted", who["lock"]),
                          ("session.end_moved", who["lock"]), ("same_room.changed", who["same_room"]),
                          ("participant.hand_over_offered", who["hand_over"])])
        details = [page[index + 1]["detail"] for index in asked]
        self.assertEqual(details[:3], ["locked", "audio", str(until_ms)])
        self.assertEqual(details[3], f"audio with {who['hand_over']}")
        self.assertFalse([name for name in ("ann", "ben", "therapist-1") if name in json.dumps(page)])

    async def test_consent_is_shown_in_full_and_kept_with_its_version(self):
        session, pages = self.couple(waiting_room=False, consent={"id": "v1", "text": "We talk."})
        async with Seat(self.server.url, pages["a"].secret):
            shown = pages["a"].view(session)["consent"]
            self.assertEqual((shown["text"], shown["accepted"]), ("We talk.", False))
            version = {"id": shown["id"], "sha256": shown["sha256"]}
            self.assertEqual(shown["sha256"], hashlib.sha256("We talk.".encode()).hexdigest())
            for other in ({"id": "v2"}, {"sha256": hashlib.sha256(b"We record.").hexdigest()}):
                self.refused(pages["a"], "POST", f"/sessions/{session}/consents", "other-consent-text", 409,
                             version | other)
            self.assertFalse(pages["a"].view(session)["consent"]["accepted"])
            pages["a"].must("POST", f"/sessions/{session}/consents", version)
            self.assertTrue(pages["a"].view(session)["consent"]["accepted"])
        kept = self.api.must("GET", f"/sessions/{session}/consents")["consents"]
        self.assertEqual([(one["identity"], one["id"]) for one in kept], [("a", "v1")])

    async def test_what_was_posted_once_is_done_once(self):
        words = {"external_id": "once"}
        first = self.api.ask("POST", "/sessions", words, idempotency_key="k1")
        again = self.api.ask("POST", "/sessions", words, idempotency_key="k1")
        self.assertEqual((again.status, again.raw, again.headers["etag"]), (201, first.raw, '"1"'))
        self.refused(self.api, "POST", "/sessions", "idempotency-mismatch", 422, {}, idempotency_key="k1")
        self.refused(self.api, "POST", "/sessions", "invalid-idempotency-key", 400, {}, idempotency_key="k" * 129)
        # A refusal is not kept.
        self.refused(self.api, "POST", "/sessions", "past-schedule", 422, idempotency_key="k2",
                     body={"schedule": {"starts_at_ms": 1, "planned_minutes": 50}})
        self.api.must("POST", "/sessions", {"schedule": {"starts_at_ms": now_ms(), "planned_minutes": 50}},
                      idempotency_key="k2")
        # Secrets in kept answers are not readable in the file.
        made = self.api.ask("POST", "/keys", {"scopes": ["facts:read"]}, idempotency_key="k3")
        self.assertEqual(self.api.ask("POST", "/keys", {"scopes": ["facts:read"]}, idempotency_key="k3").raw, made.raw)
        files = b"".join(file.read_bytes() for file in self.server.store.parent.glob("parlour.db*"))
        self.assertNotIn(made.json["key"].encode(), files)

    async def test_twenty_at_once_with_one_key_make_one_session(self):
        with concurrent.futures.ThreadPoolExecutor(20) as pool:
            asked = [pool.submit(self.api.ask, "POST", "/sessions", {"external_id": "race"}, idempotency_key="race")
                     for _ in range(20)]
            answers = [one.result() for one in asked]
        made = {one.json["id"] for one in answers if one.status == 201}
        self.assertEqual(len(made), 1)
        self.assertEqual({one.problem for one in answers if one.status != 201} - {"idempotency-in-flight"}, set())

    async def test_an_edit_needs_the_version_that_was_read(self):
        made = self.api.ask("POST", "/sessions", {})
        at = f"/sessions/{made.json['id']}"
        self.refused(self.api, "PATCH", at, "precondition-required", 428, {})
        self.refused(self.api, "PATCH", at, "precondition-failed", 412, {}, if_match='"7"')
        changed = self.api.ask("PATCH", at, {"policy": {"max_participants": 3}}, if_match=made.headers["etag"])
        self.assertEqual((changed.json["policy"]["max_participants"], changed.headers["etag"]), (3, '"2"'))
        self.refused(self.api, "PATCH", at, "precondition-failed", 412, {}, if_match=made.headers["etag"])

    async def test_rules_change_while_a_session_is_live_and_its_schedule_does_not(self):
        session, pages = self.couple(waiting_room=False)
        async with Seat(self.server.url, pages["t"].secret):
            at, read = f"/sessions/{session}", self.api.ask("GET", f"/sessions/{session}")
            self.assertEqual(read.json["phase"], "live")
            self.refused(self.api, "PATCH", at, "session-in-use", 409, {"schedule": None}, if_match=read.headers["etag"])
            changed = self.api.ask("PATCH", at, {"policy": {"waiting_room": True}}, if_match=read.headers["etag"])
            self.assertTrue(changed.json["policy"]["waiting_room"], changed.raw)
            async with Seat(self.server.url, pages["a"].secret):
                self.assertEqual(pages["a"].view(session)["me"]["place"], "waiting")

    async def test_lists_are_read_page_by_page_without_a_gap(self):
        made = [self.api.session(external_id="page") for _ in range(5)]
        seen, cursor = [], ""
        while cursor is not None:
            page = self.api.must("GET", f"/sessions?limit=2{cursor and '&cursor=' + cursor}")
            seen += [one["id"] for one in page["sessions"]]
            cursor = page["next_cursor"]
        self.assertEqual([one for one in seen if one in made], made)
        ended = self.api.must("GET", "/sessions?limit=1000&phase=ended")["sessions"]
        self.assertTrue(all(one["phase"] == "ended" for one in ended))

    async def test_keys_have_scopes_an_end_and_successors(self):
        made = self.api.must("POST", "/keys", {"scopes": ["sessions:read"], "label": "reader"})
        reader = Api(self.server.page, made["key"])
        reader.must("GET", "/sessions")
        self.refused(reader, "POST", "/sessions", "missing-scope", 403, {})
        successor = self.api.must("POST", f"/keys/{made['id']}/rotate")
        for secret in (made["key"], successor["key"]):
            Api(self.server.page, secret).must("GET", "/sessions")
        self.api.must("DELETE", f"/keys/{made['id']}")
        self.refused(reader, "GET", "/sessions", "unauthenticated", 401)
        short = self.api.must("POST", "/keys", {"scopes": ["sessions:read"], "expires_at_ms": (over := now_ms() + SOON_MS)})
        sleep_until(over)
        self.refused(Api(self.server.page, short["key"]), "GET", "/sessions", "unauthenticated", 401)
        self.assertIn(made["id"], self.server.run("key", "list").stdout)

    async def test_a_session_that_nobody_came_to_ends_by_itself_and_on_record(self):
        def over_at(at_ms: int) -> str:
            schedule = {"starts_at_ms": at_ms - 60_000, "planned_minutes": 1}
            return self.api.session(schedule=schedule, policy={"end_after_schedule_minutes": 0})

        soon, later, kept = over_at(now_ms() + 3_000), over_at(now_ms() + DAY_MS), self.api.session()
        self.assertEqual(self.api.must("GET", f"/sessions/{soon}")["phase"], "open")
        deadline = time.monotonic() + 20
        while self.api.must("GET", f"/sessions/{soon}")["phase"] != "ended":
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.05)
        events = self.api.must("GET", f"/events?session={soon}")["events"]
        self.assertEqual([(one["type"], one["data"]["reason"]) for one in events], [("session.ended", "schedule")])
        records = self.api.must("GET", f"/audit?session={soon}")["records"]
        self.assertEqual([(one["action"], one["actor"], one["detail"]) for one in records][1:],
                         [("session.ended", "system", "schedule")])
        self.refused(self.api, "POST", f"/sessions/{soon}/tickets", "session-ended", 409, {"identity": "x", "role": "client"})
        self.assertNotEqual(self.api.must("GET", f"/sessions/{later}")["phase"], "ended")
        self.assertEqual(self.api.must("GET", f"/sessions/{kept}")["phase"], "open")

    async def test_the_view_streams_whenever_it_changes(self):
        session, pages = self.couple(waiting_room=False)
        async with Seat(self.server.url, pages["t"].secret) as therapist:
            headers = {"authorization": f"Bearer {pages['t'].secret}"}
            async with therapist.http.get(f"{pages['t'].base}/sessions/{session}/view/stream", headers=headers) as got:
                async def view():
                    _, told = await read_event(got.content)
                    return json.loads(told["data"])

                self.assertEqual((await view())["session"]["locked"], False)
                pages["t"].must("PUT", f"/sessions/{session}/lock", {"locked": True})
                while not (await view())["session"]["locked"]:
                    pass

    async def test_who_comes_back_to_a_view_gets_it_when_it_is_another_than_the_last_one_seen(self):
        session, pages = self.couple(waiting_room=False)
        at, url = f"/sessions/{session}", f"{pages['t'].base}/sessions/{session}/view/stream"
        headers = {"authorization": f"Bearer {pages['t'].secret}"}
        async with Seat(self.server.url, pages["t"].secret) as therapist:
            async def locked_and_id(last: str = "") -> tuple[bool, str]:
                async with therapist.http.get(url, headers=headers | {"last-event-id": last}) as got:
                    _, told = await read_event(got.content)
                    return json.loads(told["data"])["session"]["locked"], told["id"]

            first, last = await locked_and_id()
            self.assertEqual((first, await locked_and_id("of another server")), (False, (False, last)))
            # As it was: nothing until it changes.
            coming = asyncio.ensure_future(locked_and_id(last))
            await locked_and_id()
            self.assertFalse(coming.done())
            pages["t"].must("PUT", f"{at}/lock", {"locked": True})
            changed, newer = await asyncio.wait_for(coming, 15)
            self.assertTrue(changed and newer != last)
            # Changed while nobody listened: at once.
            self.assertEqual(await asyncio.wait_for(locked_and_id(last), 15), (True, newer))

    async def test_a_recorder_is_with_the_others_only_while_everyone_who_was_asked_agrees(self):
        session, pages = self.couple(waiting_room=False, recording="by_service_with_consent")
        at = f"/sessions/{session}"
        recorder = self.api.redeem(self.api.ticket(session, "recorder", "service"))
        never, _ = self.couple(waiting_room=False)
        barred = self.api.redeem(self.api.ticket(never, "recorder", "service"))
        with self.assertRaises(Exception) as refused:
            async with Seat(self.server.url, barred):
                pass
        self.assertIn("403", str(refused.exception))
        async with Seat(self.server.url, pages["t"].secret), Seat(self.server.url, pages["a"].secret):
            self.assertEqual([pages[who].view(session)["recording_agreement"] for who in "ta"], [False, False])
            async with Seat(self.server.url, recorder):
                self.assertEqual(self.api.place(session, "recorder"), "waiting", "it never joins by itself")
                pages["t"].must("POST", f"{at}/participants/recorder/admit")
                for who, place in (("t", "hold"), ("a", "main")):
                    pages[who].must("PUT", f"{at}/recording-agreement", {"agreed": True})
                    self.assertEqual(self.api.place(session, "recorder"), place)
                self.assertTrue(pages["a"].view(session)["recording_agreement"])
                async with Seat(self.server.url, pages["b"].secret):
                    self.assertEqual(self.api.place(session, "recorder"), "hold", "somebody came who was not asked")
                    pages["b"].must("PUT", f"{at}/recording-agreement", {"agreed": True})
                    self.assertEqual(self.api.place(session, "recorder"), "main")
                    pages["a"].must("PUT", f"{at}/recording-agreement", {"agreed": False})
                    self.assertEqual(self.api.place(session, "recorder"), "hold")
        told = [one["data"]["agreed"] for one in self.api.must("GET", f"/events?session={session}")["events"]
                if one["type"] == "consent.recording"]
        self.assertEqual(told, [True, True, True, False])

    async def test_who_is_inside_is_told_how_many_minutes_are_left(self):
        # Ends in four and a half minutes: both warnings are due.
        schedule = {"starts_at_ms": now_ms() - 45 * 60_000 - 30_000, "planned_minutes": 50}
        session = self.api.session(schedule=schedule, policy={"end_after_schedule_minutes": 0, "waiting_room": True})
        pages = {who: Api(self.server.page, self.api.redeem(self.api.ticket(session, who, role)))
                 for who, role in (("t", "therapist"), ("a", "client"))}
        async with Seat(self.server.url, pages["t"].secret), Seat(self.server.url, pages["a"].secret):
            deadline = time.monotonic() + 15
            while pages["t"].view(session).get("minutes_left") != 5:
                self.assertLess(time.monotonic(), deadline)
                await asyncio.sleep(0.05)
            self.assertIsNone(pages["a"].view(session).get("minutes_left"), "who waits is told nothing")
            pages["t"].must("POST", f"/sessions/{session}/participants/a/admit")
            self.assertEqual(pages["a"].view(session)["minutes_left"], 5)
            pages["t"].must("POST", f"/sessions/{session}/extend", {"until_ms": now_ms() + 30 * 60_000})
            self.assertIsNone(pages["a"].view(session).get("minutes_left"), "there is time again")
        told = [one["data"]["minutes_left"] for one in self.api.must("GET", f"/events?session={session}")["events"]
                if one["type"] == "session.ends_soon"]
        self.assertEqual(told, [5])

    async def test_a_text_that_changes_while_it_is_shown_is_shown_anew_under_its_own_hash(self):
        session, pages = self.couple(waiting_room=False, consent={"id": "v1", "text": "We talk."})
        async with Seat(self.server.url, pages["a"].secret) as seat:
            headers = {"authorization": f"Bearer {pages['a'].secret}"}
            async with seat.http.get(f"{pages['a'].base}/sessions/{session}/view/stream", headers=headers) as got:
                async def consent():
                    _, told = await read_event(got.content)
                    return json.loads(told["data"])["consent"]

                self.assertEqual((await consent())["text"], "We talk.")
                read = self.api.ask("GET", f"/sessions/{session}")
                edit = {"policy": {"consent": {"id": "v2", "text": "We talk and draw."}}}
                self.api.must("PATCH", f"/sessions/{session}", edit, if_match=read.headers["etag"])
                while (shown := await consent())["id"] != "v2":
                    if "text" in shown:
                        self.assertEqual(shown["text"], "We talk.")
                self.assertEqual(shown["text"], "We talk and draw.")
                self.assertEqual(shown["sha256"], hashlib.sha256(b"We talk and draw.").hexdigest())

    # What it refuses.

    async def test_a_session_must_have_been_made(self):
        for session in ("never-made", self.api.session()):
            secret = token(session, "x", "therapist")
            if session == "never-made":
                with self.assertRaises(Exception) as refused:
                    async with Seat(self.server.url, secret):
                        pass
                self.assertIn("404", str(refused.exception))
            else:
                async with Seat(self.server.url, secret):
                    pass

    async def test_tokens_are_good_for_their_session_and_role_only(self):
        session, pages = self.couple()
        other = self.api.session()
        self.refused(pages["t"], "GET", f"/sessions/{other}/view", "other-session", 403)
        self.refused(pages["t"], "POST", f"/sessions/{other}/end", "other-session", 403)
        self.refused(pages["t"], "GET", "/sessions", "not-allowed", 403)
        self.refused(pages["t"], "GET", "/keys", "not-allowed", 403)
        self.refused(pages["a"], "GET", f"/sessions/{session}/participants", "not-allowed", 403)
        self.refused(self.api, "POST", f"/sessions/{session}/quick-exit", "not-allowed", 403)
        # No claim but the role says what someone is.
        raised = {"metadata": "{\"role\":\"therapist\"}", "attributes": {"parlour.role": "therapist"},
                  "roles": ["therapist"], "isTherapist": True,
                  "video": {"roomAdmin": True, "roomCreate": True, "roomList": True, "hidden": False}}
        client = Api(self.server.page, token(session, "eve", "client", **raised))
        self.refused(client, "POST", f"/sessions/{session}/participants/a/admit", "not-allowed", 403)
        self.refused(client, "GET", f"/sessions/{session}/participants", "not-allowed", 403)
        for wrong in ("", "pk_", "pk_0_0", self.api.secret[:-1], token(session, "t", lifetime=-60), "a.b.c", "é"):
            secret = wrong.encode().decode("latin-1")
            self.refused(Api(self.server.page, secret), "GET", f"/sessions/{session}/view", "unauthenticated", 401)

    async def test_each_kind_of_bad_input_has_a_type_of_its_own(self):
        api, session = self.api, self.api.session()
        at = f"/sessions/{session}"
        schedule = {"starts_at_ms": now_ms() + DAY_MS, "planned_minutes": 50}
        for problem, status, body in (
            ("unknown-field", 400, {"SECRET": 1}),
            ("unknown-field", 400, {"policy": {"SECRET": 1}}),
            ("missing-field", 400, {"schedule": {"starts_at_ms": 1}}),
            ("invalid-value", 400, {"kind": "SECRET"}),
            ("invalid-value", 400, {"id": "SECRET with spaces"}),
            ("invalid-value", 400, {"policy": [True]}),
            ("out-of-range", 400, {"schedule": schedule | {"planned_minutes": -1}}),
            ("out-of-range", 400, {"schedule": schedule | {"planned_minutes": 10**30}}),
            ("out-of-range", 400, {"schedule": schedule | {"starts_at_ms": 10**18}}),
            ("out-of-range", 400, {"policy": {"max_participants": 13}}),
            ("out-of-range", 400, {"external_id": ""}),
            ("past-schedule", 422, {"schedule": schedule | {"starts_at_ms": now_ms() - DAY_MS}}),
            ("session-exists", 409, {"id": session}),
        ):
            answer = self.refused(api, "POST", "/sessions", problem, status, body)
            self.assertNotIn(b"SECRET", answer.raw)
        for problem, status, raw in (
            ("invalid-json", 400, b"{"),
            ("invalid-json", 400, b"{} {}"),
            ("invalid-utf8", 400, b"{\"external_id\":\"\xff\"}"),
            ("body-too-large", 413, b"{\"external_id\":\"" + b"x" * 65_536 + b"\"}"),
        ):
            self.refused(api, "POST", "/sessions", problem, status, raw=raw)
        self.refused(api, "POST", "/sessions", "unsupported-media-type", 415, raw=b"{}", content_type="text/plain")
        self.refused(api, "POST", f"{at}/end", "unexpected-body", 400, {"now": True})
        self.refused(api, "GET", "/sessions?limit=0", "out-of-range", 400)
        self.refused(api, "GET", "/sessions?cursor=SECRET", "invalid-cursor", 400)
        self.refused(api, "GET", "/sessions?SECRET=1", "invalid-parameter", 400)
        self.refused(api, "GET", f"/sessions/{'x' * 257}/view", "invalid-parameter", 400)
        self.refused(api, "GET", "/sessions/none", "session-not-found", 404)
        self.refused(api, "GET", "/nothing", "not-found", 404)
        self.refused(api, "DELETE", "/sessions", "method-not-allowed", 405)

    async def test_each_invalid_transition_has_a_type_of_its_own(self):
        session, pages = self.couple()
        at = f"/sessions/{session}"
        self.refused(self.api, "POST", f"{at}/participants/a/hold", "session-not-open", 409)
        async with Seat(self.server.url, pages["t"].secret), Seat(self.server.url, pages["a"].secret):
            self.refused(self.api, "POST", f"{at}/participants/zoe/admit", "participant-not-found", 404)
            self.api.must("POST", f"{at}/participants/a/admit")
            self.refused(self.api, "POST", f"{at}/participants/a/deny", "participant-not-waiting", 409)
            self.refused(self.api, "DELETE", f"{at}/check-ins/7", "check-in-not-found", 404)
            self.refused(self.api, "POST", f"{at}/extend", "past-schedule", 422, {"until_ms": 1})

    async def test_a_message_to_the_waiting_room_has_a_thousand_characters_of_any_script(self):
        session, pages = self.couple()
        at = f"/sessions/{session}/waiting-message"
        async with Seat(self.server.url, pages["t"].secret), Seat(self.server.url, pages["a"].secret):
            for letter in "a水":
                self.refused(pages["t"], "PUT", at, "out-of-range", 400, {"text": letter * 1_001})
                pages["t"].must("PUT", at, {"text": letter * 1_000})
                self.assertEqual(pages["a"].view(session)["waiting_message"], letter * 1_000)

    async def test_an_address_that_is_not_there_answers_as_where_a_quick_exit_lands(self):
        def ask(path: str):
            try:
                urllib.request.urlopen(f"{self.server.page}{path}", timeout=15)
            except urllib.error.HTTPError as error:
                told = {name: value for name, value in error.headers.items() if name.lower() != "date"}
                return error.code, told, error.read()

        away = ask("/away")
        self.assertEqual(away[0], 404)
        self.assertEqual(ask("/never-was"), away)

    # Its documents.

    async def test_the_document_served_is_the_committed_one_and_its_page_needs_no_other_host(self):
        stranger = Api(self.server.page, None)
        committed = json.loads((HERE.parents[1] / "docs/openapi.json").read_text())
        self.assertEqual(stranger.ask("GET", "/openapi.json").json, committed)
        page = stranger.ask("GET", "/docs")
        self.assertIn("default-src 'none'", page.headers["content-security-policy"])
        for part in (page.raw, stranger.ask("GET", "/docs/page.js").raw, stranger.ask("GET", "/docs/page.css").raw):
            self.assertNotIn(b"https://", part)
            self.assertNotIn(b"http://", part)

    async def test_security_facts_are_those_of_this_configuration(self):
        facts = self.api.must("GET", "/security-facts")
        self.assertEqual((facts["media"]["recording"], facts["media"]["dtls"]), (False, ["1.2", "1.3"]))
        self.assertEqual((facts["sessions"]["ad_hoc"], facts["store"]["durable"]), (False, True))
        self.assertEqual(facts["store"]["retention_days"]["audit"], 365)
        self.assertEqual(facts["webhooks"], {"tls_required": True, "private_addresses": False})
        self.assertEqual(facts["signalling"]["third_party_hosts"], [])


class FloodTest(OwnServerTest):
    """Strangers who do not stop."""

    async def test_a_thousand_wrong_tickets_a_second_hurt_nobody_elses_call(self):
        session, flood = self.api.session(), Api(self.server.page, None)
        async with Seat(self.server.url, self.api.redeem(self.api.ticket(session, "t", "therapist"))):
            with concurrent.futures.ThreadPoolExecutor(8) as pool:
                asked = [pool.submit(flood.ask, "POST", "/tickets/redeem", {"ticket": f"tk_{n}"}) for n in range(1_000)]
                for locked in (True, False) * 10:
                    self.api.must("PUT", f"/sessions/{session}/lock", {"locked": locked})
                answers = [one.result() for one in asked]
        problems = [one.problem for one in answers]
        self.assertEqual(set(problems), {"ticket-refused", "too-many-requests"})
        limited = next(one for one in answers if one.status == 429)
        self.assertGreaterEqual(int(limited.headers["retry-after"]), 1)


class PassingTicketTest(unittest.IsolatedAsyncioTestCase):
    """Hand-overs in rooms that a token alone opens: their tickets are kept in memory only."""

    async def test_a_seat_has_one_ticket_at_a_time_and_takes_nobody_elses(self):
        with Server() as server:
            ada, bob = (token("room", who, role) for who, role in (("ada", "therapist"), ("bob", "client")))
            async with Seat(server.url, ada), Seat(server.url, bob):
                own, other, stranger = (Api(server.page, secret) for secret in (bob, ada, None))
                kept = other.must("POST", "/sessions/room/hand-over")
                made = [own.must("POST", "/sessions/room/hand-over") for _ in range(20)]
                for earlier in (made[0]["ticket"], made[-2]["ticket"], made[-2]["code"]):
                    refused = stranger.ask("POST", "/tickets/redeem", {"ticket": earlier})
                    self.assertEqual((refused.status, refused.problem), (403, "ticket-refused"))
                for good, who in ((made[-1]["code"], "bob"), (kept["ticket"], "ada")):
                    self.assertEqual(stranger.must("POST", "/tickets/redeem", {"ticket": good})["identity"], who)
        self.assertEqual(server.alarms(), [])


class HalfOpenTest(unittest.TestCase):
    """Connections that never say what they want."""

    SHARE = 100
    ADDRESSES = 20

    def half_open(self, port: int, address: str) -> socket.socket:
        one = socket.create_connection(("127.0.0.1", port), timeout=8, source_address=(address, 0))
        self.addCleanup(one.close)
        with contextlib.suppress(ConnectionError):
            one.sendall(b"GET /v1/sessions HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        return one

    def is_closed(self, one: socket.socket) -> bool:
        """Before the time that a request's head may take (10 s)."""
        try:
            return one.recv(1) == b""
        except ConnectionError:
            return True
        except TimeoutError:
            return False

    def test_thousands_of_them_keep_nobody_out(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        with Server(ad_hoc=False, extra=f"\n[limits]\nsockets_per_address = {self.SHARE}\n") as server:
            api, port = Api(server.page, server.key("all")), int(server.page.rsplit(":", 1)[1])
            for number in range(self.ADDRESSES):
                for _ in range(self.SHARE):
                    self.half_open(port, f"127.0.1.{number + 1}")
            # All of them are still open.
            api.must("GET", "/sessions?limit=1")

            # One address gets its share and no more, and nobody else pays for it.
            own = [self.half_open(port, "127.0.2.1") for _ in range(self.SHARE + 1)]
            self.assertTrue(self.is_closed(own[-1]))
            api.must("GET", "/sessions?limit=1")
        self.assertEqual(server.alarms(), [])


class OperatorTest(OwnServerTest):
    """What an operator does, and what a bad disk does."""

    async def test_the_audit_log_is_verified_and_a_change_in_it_is_found(self):
        import sqlite3

        self.api.session()
        whole = self.server.run("audit", "verify")
        self.assertEqual((whole.returncode, whole.stdout.splitlines()[-1]), (0, "whole"))
        with sqlite3.connect(self.server.store) as file:
            file.execute("UPDATE audit SET detail = 'x' WHERE seq = 2")
        file.close()
        broken = self.server.run("audit", "verify")
        self.assertEqual(broken.returncode, 1)
        self.assertIn("record 2", broken.stderr)
        self.assertEqual(self.api.must("GET", "/audit/verification")["broken"], {"how": "altered", "seq": 2})

    async def test_security_facts_tell_where_the_clinic_lets_people_and_events_go(self):
        self.server.process.kill()
        self.server.process.wait()
        words = 'quick_exit_url = "https://weather.example.org/now"\n\n[webhooks]\nallow_plain = true\n\n[media]'
        self.server.file.write_text(self.server.file.read_text().replace("[media]", words))
        self.server.start()
        facts = self.api.must("GET", "/security-facts")
        self.assertEqual(facts["signalling"]["third_party_hosts"], ["weather.example.org"])
        self.assertEqual(facts["webhooks"], {"tls_required": False, "private_addresses": False})

    async def test_a_running_store_is_backed_up_and_purged(self):
        self.api.session()
        copy = self.server.store.parent / "copy.db"
        self.assertEqual(self.server.run("backup", str(copy)).returncode, 0)
        self.assertTrue(copy.stat().st_size > 0)
        self.assertEqual(self.server.run("backup", str(copy)).returncode, 1)
        self.assertEqual(self.server.run("purge").returncode, 0)

    async def test_a_session_whose_time_ended_while_the_server_was_down_ends_when_it_is_back(self):
        at_ms = now_ms() + 3_000
        schedule = {"starts_at_ms": at_ms - 60_000, "planned_minutes": 1}
        session = self.api.session(schedule=schedule, policy={"end_after_schedule_minutes": 0})
        self.server.process.kill()
        self.server.process.wait()
        time.sleep(max(0, at_ms - now_ms()) / 1000)
        self.server.start()
        deadline = time.monotonic() + 20
        while not (events := self.api.must("GET", f"/events?session={session}")["events"]):
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.05)
        self.assertEqual([one["type"] for one in events], ["session.ended"])

    async def test_a_session_without_room_after_a_start_is_brought_back_later_and_ends_by_its_clock(self):
        schedule = {"starts_at_ms": now_ms() - 50_000, "planned_minutes": 1}
        sessions = [self.api.session(schedule=schedule, policy={"end_after_schedule_minutes": 0, "max_minutes": 50})
                    for _ in range(2)]
        for session in sessions:
            async with Seat(self.server.url, self.api.redeem(self.api.ticket(session, "t", "therapist"))):
                # A command's answer waits until what happened is kept.
                self.api.must("PUT", f"/sessions/{session}/lock", {"locked": True})
        self.server.process.kill()
        self.server.process.wait()
        words = self.server.file.read_text()
        self.server.file.write_text(words.replace("workers = 1", "workers = 1\nmax_sessions_per_worker = 1"))
        self.server.start()
        deadline = time.monotonic() + 60
        phases = lambda: [self.api.must("GET", f"/sessions/{session}")["phase"] for session in sessions]
        while phases() != ["ended", "ended"]:
            self.assertLess(time.monotonic(), deadline, phases())
            time.sleep(0.1)

    async def test_a_disk_that_becomes_read_only_refuses_what_protects_and_calls_go_on(self):
        session = self.api.session(policy={"waiting_room": False})
        pages = {who: Api(self.server.page, self.api.redeem(self.api.ticket(session, who, role)))
                 for who, role in (("t", "therapist"), ("a", "client"))}
        at = f"/sessions/{session}"
        files = [str(file) for file in self.server.store.parent.glob("parlour.db*") if not file.name.endswith("-shm")]
        async with Seat(self.server.url, pages["t"].secret), Seat(self.server.url, pages["a"].secret) as seat:
            if subprocess.run(["chattr", "+i", *files], capture_output=True, check=False).returncode:
                self.skipTest("files cannot be made immutable here")
            try:
                for method, path, body in (("POST", f"{at}/participants/a/hold", None), ("PUT", f"{at}/lock", {"locked": True}),
                                           ("POST", "/sessions", {}), ("POST", f"{at}/tickets", {"identity": "x", "role": "client"})):
                    answer = self.api.ask(method, path, body)
                    self.assertEqual((answer.status, answer.problem), (503, "store-unavailable"), path)
                    self.assertGreaterEqual(int(answer.headers["retry-after"]), 1)
                self.assertEqual(pages["a"].view(session)["me"]["place"], "main")
                self.assertEqual(self.api.must("GET", at)["phase"], "live")
                self.assertTrue(await seat.is_seated())
                self.assertEqual(pages["a"].ask("POST", f"{at}/quick-exit").status, 204)
            finally:
                subprocess.run(["chattr", "-i", *files], check=True)
            pages["t"].must("PUT", f"{at}/lock", {"locked": True})
        self.assertEqual(self.server.run("audit", "verify").returncode, 0)

    async def test_without_a_log_what_protects_is_refused_and_calls_go_on(self):
        session = self.api.session(policy={"waiting_room": False})
        pages = {who: Api(self.server.page, self.api.redeem(self.api.ticket(session, who, role)))
                 for who, role in (("t", "therapist"), ("a", "client"))}
        at = f"/sessions/{session}"
        async with Seat(self.server.url, pages["t"].secret), Seat(self.server.url, pages["a"].secret) as seat:
            self.server.block_store()
            held = pages["t"].ask("POST", f"{at}/participants/a/hold")
            self.assertEqual((held.status, held.problem), (503, "store-unavailable"))
            self.assertEqual(pages["a"].view(session)["me"]["place"], "main")
            self.assertTrue(await seat.is_seated())
            # Who guesses costs no write, not even with a key to have the answer again.
            guess = Api(self.server.page, None).ask("POST", "/tickets/redeem", {"ticket": "tk_guess"}, idempotency_key="g")
            self.assertEqual((guess.status, guess.problem), (403, "ticket-refused"))
            # Who must get out gets out.
            self.assertEqual(pages["a"].ask("POST", f"{at}/quick-exit").status, 204)
            self.server.unblock_store()
            pages["t"].must("PUT", f"{at}/lock", {"locked": True})
            # What happened without a record is recorded once there is room.
            kept = [one["detail"] for one in self.api.must("GET", f"/audit?session={session}")["records"]
                    if one["action"] == "participant.left"]
            self.assertEqual(kept, ["quick_exit"])
        self.assertEqual(self.server.run("audit", "verify").returncode, 0)


class SchemaTest(unittest.TestCase):
    """schemathesis: what the document says is what the server does."""

    LIMITS = """
[api]
stranger_requests_per_second = 100000.0
key_requests_per_second = 100000.0
seat_requests_per_second = 100000.0
"""

    def finds_nothing(self, server: Server, secret: str | None, examples: str):
        command = [
            str(pathlib.Path(sys.executable).with_name("schemathesis")),
            "--config-file", str(HERE / "schemathesis.toml"),
            "run", f"{server.page}/v1/openapi.json",
            *(("-H", f"Authorization: Bearer {secret}") if secret else ()),
            "--max-examples", os.environ.get("PARLOUR_EXAMPLES", examples),
            "--generation-deterministic", "--exclude-path-regex", "stream", "--no-color", "--warnings", "off",
        ]
        with_room = {"cwd": server.store.parent, "capture_output": True, "text": True, "timeout": 240}
        run = subprocess.run(command, check=False, **with_room)
        self.assertEqual(run.returncode, 0, run.stdout[-8_000:] + run.stderr[-2_000:])

    def test_schemathesis_finds_nothing(self):
        with Server(ad_hoc=False, extra=self.LIMITS) as server:
            self.finds_nothing(server, server.key("all"), "4")
        self.assertEqual(server.alarms(), [])

    def test_schemathesis_finds_nothing_without_a_key_either(self):
        with Server(ad_hoc=False, extra=self.LIMITS) as server:
            self.finds_nothing(server, None, "1")
        self.assertEqual(server.alarms(), [])

    def test_schemathesis_finds_nothing_with_the_token_of_a_therapist(self):
        with Server(ad_hoc=False, extra=self.LIMITS) as server:
            api = Api(server.page, server.key("all"))
            self.finds_nothing(server, api.redeem(api.ticket(api.session(), "t", "therapist")), "1")
        self.assertEqual(server.alarms(), [])

    def test_nothing_but_what_is_public_is_answered_without_a_key(self):
        public = {"/v1/openapi.json", "/v1/docs", "/v1/docs/page.js", "/v1/docs/page.css", "/v1/tickets/redeem"}
        with Server(ad_hoc=False, extra=self.LIMITS) as server:
            stranger = Api(server.page, None)
            document = stranger.must("GET", "/openapi.json")
            asked = 0
            for path, item in document["paths"].items():
                for method in sorted(set(item) & {"get", "post", "put", "patch", "delete"} if path not in public else ()):
                    named = path.removeprefix("/v1").replace("{", "").replace("}", "")
                    for secret in (None, "pk_0_0", "a.b.c"):
                        answer = Api(server.page, secret).ask(method.upper(), named, {} if method != "get" else None)
                        self.assertEqual((answer.status, answer.problem), (401, "unauthenticated"), f"{method} {path}")
                        self.assertEqual(answer.headers["www-authenticate"], "Bearer")
                    asked += 1
        self.assertGreater(asked, 40)
        self.assertEqual(server.alarms(), [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
