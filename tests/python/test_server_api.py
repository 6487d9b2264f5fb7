"""PyPI `livekit-api`, unmodified, against a real server with PyPI `livekit` clients in its rooms.

It writes protobuf; the JavaScript server SDK, tested in `tests/browser`, writes JSON.
"""

import asyncio
import itertools
import json
import unittest
import urllib.request

import aiohttp
from livekit import api, rtc

from control import Api
from server import API_KEY, API_SECRET, Server
from test_livekit import WAIT, Person, until

_rooms = itertools.count(1)
# LiveKit's word for each refusal.
NOT_FOUND, DENIED, FAILED = "not_found", "permission_denied", "failed_precondition"


class ServerApiTest(unittest.IsolatedAsyncioTestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server()
        cls.server.__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.server.__exit__(None, None, None)
        assert not cls.server.alarms(), cls.server.alarms()

    async def asyncSetUp(self):
        self.room = f"api-{next(_rooms)}"
        self.people = []
        self.api = api.LiveKitAPI(self.server.page, API_KEY, API_SECRET)

    async def asyncTearDown(self):
        for person in self.people:
            await person.leave()
        await self.api.aclose()

    async def person(self, identity: str, room: str | None = None) -> Person:
        person = Person(self.server.url, room or self.room, identity)
        self.people.append(person)
        return await asyncio.wait_for(person.join(), WAIT)

    async def pair(self) -> tuple[Person, Person]:
        ada, bob = await self.person("ada"), await self.person("bob")
        await until("they know each other", lambda: ada.room.remote_participants and bob.room.remote_participants)
        return ada, bob

    async def refused(self, code: str, call):
        with self.assertRaises(api.TwirpError) as refusal:
            await call
        self.assertEqual(refusal.exception.code, code)

    async def participants(self, room: str) -> list[str]:
        told = await self.api.room.list_participants(api.ListParticipantsRequest(room=room))
        return sorted(one.identity for one in told.participants)

    async def test_rooms_are_made_listed_changed_and_ended(self):
        made = await self.api.room.create_room(api.CreateRoomRequest(name=self.room, metadata="m", max_participants=3))
        self.assertEqual((made.name, made.metadata, made.max_participants), (self.room, "m", 3))
        ada = await self.person("ada")
        self.assertEqual((await ada.room.sid, ada.room.metadata), (made.sid, "m"))
        listed = await self.api.room.list_rooms(api.ListRoomsRequest(names=[self.room]))
        self.assertEqual([(one.name, one.num_participants) for one in listed.rooms], [(self.room, 1)])
        await self.api.room.update_room_metadata(api.UpdateRoomMetadataRequest(room=self.room, metadata="n"))
        await until("ada is told", lambda: ada.room.metadata == "n")
        await self.api.room.delete_room(api.DeleteRoomRequest(room=self.room))
        await until("ada is out", lambda: "disconnected" in ada.events)
        await self.refused(NOT_FOUND, self.api.room.delete_room(api.DeleteRoomRequest(room=self.room)))

    async def test_people_are_listed_changed_and_removed(self):
        ada, bob = await self.pair()
        self.assertEqual(await self.participants(self.room), ["ada", "bob"])
        whom = api.RoomParticipantIdentity(room=self.room, identity="bob")
        self.assertEqual((await self.api.room.get_participant(whom)).sid, bob.room.local_participant.sid)
        update = api.UpdateParticipantRequest(
            room=self.room, identity="bob", name="Bob", metadata="m", attributes={"seat": "2"}
        )
        self.assertEqual((await self.api.room.update_participant(update)).name, "Bob")
        seen = ada.room.remote_participants["bob"]
        await until("ada is told", lambda: (seen.name, seen.metadata, seen.attributes.get("seat")) == ("Bob", "m", "2"))
        await self.api.room.remove_participant(whom)
        await until("bob is out", lambda: "disconnected" in bob.events)
        await until("ada sees it", lambda: "bob" not in ada.room.remote_participants)
        await self.refused(NOT_FOUND, self.api.room.get_participant(whom))
        with self.assertRaises(rtc.ConnectError):
            await asyncio.wait_for(rtc.Room().connect(self.server.url, bob.token), WAIT)

    async def test_a_track_is_muted_by_the_server_and_unmuted_by_its_owner_alone(self):
        ada, bob = await self.pair()
        await ada.publish()
        await bob.sees_and_hears()
        listed = await self.api.room.get_participant(api.RoomParticipantIdentity(room=self.room, identity="ada"))
        audio = next(track for track in listed.tracks if track.type == api.TrackType.AUDIO)

        def mute(muted: bool):
            wish = api.MuteRoomTrackRequest(room=self.room, identity="ada", track_sid=audio.sid, muted=muted)
            return self.api.room.mute_published_track(wish)

        self.assertTrue((await mute(True)).track.muted)
        seen = ada.room.local_participant.track_publications[audio.sid]
        await until("ada is told", lambda: seen.muted)
        heard = bob.room.remote_participants["ada"].track_publications[audio.sid]
        await until("bob sees it", lambda: heard.muted)
        await self.refused(FAILED, mute(False))
        seen.track.unmute()
        await until("ada unmuted herself", lambda: not heard.muted)

    async def test_a_permission_that_is_taken_stops_media(self):
        ada, bob = await self.pair()
        await ada.publish()
        await bob.sees_and_hears()
        permission = api.ParticipantPermission(can_subscribe=True, can_publish=False)
        await self.api.room.update_participant(
            api.UpdateParticipantRequest(room=self.room, identity="ada", permission=permission)
        )
        await until("bob sees no track", lambda: not bob.room.remote_participants["ada"].track_publications)
        hidden = api.ParticipantPermission(can_subscribe=True, hidden=True)
        request = api.UpdateParticipantRequest(room=self.room, identity="ada", permission=hidden)
        await self.refused("invalid_argument", self.api.room.update_participant(request))

    async def test_subscriptions_are_changed_for_someone(self):
        ada, bob = await self.pair()
        await ada.publish()
        await bob.sees_and_hears()
        tracks = list(bob.room.remote_participants["ada"].track_publications)

        async def subscribe(wanted: bool):
            request = api.UpdateSubscriptionsRequest(
                room=self.room, identity="bob", track_sids=tracks, subscribe=wanted
            )
            await self.api.room.update_subscriptions(request)

        async def nothing_comes():
            bob.forget()
            await asyncio.sleep(1)
            return bob.video_frames == 0 and bob.audio_energy == 0

        await subscribe(False)
        for _ in range(10):
            if await nothing_comes():
                break
        else:
            self.fail("bob still sees or hears ada")
        await subscribe(True)
        await bob.sees_and_hears()

    async def test_data_reaches_those_it_is_for(self):
        ada, bob = await self.pair()
        # A channel that carried something is open.
        await ada.room.local_participant.publish_data(b"open")
        await bob.room.local_participant.publish_data(b"open")
        await until("channels are open", lambda: ada.data and bob.data)

        async def send(text: bytes, to: list[str]):
            request = api.SendDataRequest(
                room=self.room, data=text, kind=api.DataPacket.Kind.RELIABLE, topic="t", destination_identities=to
            )
            await self.api.room.send_data(request)

        await send(b"to bob", ["bob"])
        await send(b"to all", [])
        await until("bob has both", lambda: [one.data for one in bob.data[1:]] == [b"to bob", b"to all"])
        await until("ada has one", lambda: [one.data for one in ada.data[1:]] == [b"to all"])
        self.assertEqual((bob.data[1].participant, bob.data[1].topic), (None, "t"))

    async def test_a_person_moves_to_another_room(self):
        ada, bob = await self.pair()
        other = f"{self.room}-other"
        eve = await self.person("eve", other)
        await bob.publish()
        await ada.sees_and_hears()
        move = api.MoveParticipantRequest(room=self.room, identity="bob", destination_room=other)
        await self.api.room.move_participant(move)
        await until("bob left ada", lambda: "bob" not in ada.room.remote_participants)
        await until("bob met eve", lambda: "bob" in eve.room.remote_participants)
        await eve.sees_and_hears()
        self.assertEqual(await self.participants(self.room), ["ada"])
        self.assertEqual(await self.participants(other), ["bob", "eve"])
        self.assertNotIn("disconnected", bob.events)
        await self.refused(NOT_FOUND, self.api.room.move_participant(move))

    async def test_a_kept_session_is_opened_by_its_own_rules(self):
        request = urllib.request.Request(f"{self.server.page}/v1/sessions", method="POST")
        request.add_header("Authorization", f"Bearer {self.server.key('sessions:write')}")
        request.add_header("Content-Type", "application/json")
        request.data = json.dumps({"id": self.room, "policy": {"max_participants": 3}}).encode()
        with urllib.request.urlopen(request, timeout=WAIT) as made:
            self.assertEqual(made.status, 201)
        asked = api.CreateRoomRequest(name=self.room, max_participants=9)
        self.assertEqual((await self.api.room.create_room(asked)).max_participants, 3)

    async def test_a_kept_session_that_nobody_came_to_is_ended(self):
        control = self.control()
        control.session(id=self.room)
        await self.api.room.delete_room(api.DeleteRoomRequest(room=self.room))
        self.assertEqual(control.must("GET", f"/sessions/{self.room}")["phase"], "ended")
        await self.refused(NOT_FOUND, self.api.room.delete_room(api.DeleteRoomRequest(room=self.room)))

    def control(self) -> Api:
        return Api(self.server.page, self.server.key("all"))

    async def test_what_is_asked_is_on_record_before_it_is_done(self):
        control = self.control()
        ada, bob = await self.pair()
        await ada.publish()
        await bob.sees_and_hears()
        listed = await self.api.room.get_participant(api.RoomParticipantIdentity(room=self.room, identity="ada"))
        audio = next(track for track in listed.tracks if track.type == api.TrackType.AUDIO)
        wish = api.MuteRoomTrackRequest(room=self.room, identity="ada", track_sid=audio.sid, muted=True)
        await self.api.room.mute_published_track(wish)
        await self.api.room.remove_participant(api.RoomParticipantIdentity(room=self.room, identity="bob"))
        await self.api.room.delete_room(api.DeleteRoomRequest(room=self.room))
        records = [one for one in control.must("GET", f"/audit?session={self.room}&limit=1000")["records"]
                   if one["actor"] == f"signing:{API_KEY}"]
        self.assertEqual([(one["action"], one["detail"]) for one in records],
                         [("command.asked", "mute_track"), ("participant.muted", "audio"),
                          ("command.asked", "remove"), ("participant.removed", "removed"),
                          ("command.asked", "end"), ("session.ended", "command")])
        self.assertNotIn("bob", json.dumps(records))

    async def test_without_a_log_nothing_is_done(self):
        await self.person("ada")
        self.server.block_store()
        try:
            await self.refused("unavailable", self.api.room.delete_room(api.DeleteRoomRequest(room=self.room)))
            self.assertEqual(await self.participants(self.room), ["ada"])
        finally:
            self.server.unblock_store()
        await self.api.room.delete_room(api.DeleteRoomRequest(room=self.room))

    async def test_a_request_that_comes_again_under_its_id_is_carried_out_once(self):
        await self.person("ada")
        grants = api.VideoGrants(room_create=True)
        secret = api.AccessToken(API_KEY, API_SECRET).with_identity("server").with_grants(grants).to_jwt()

        async def end(room: str, request: str) -> tuple[int, str]:
            url = f"{self.server.page}/twirp/livekit.RoomService/DeleteRoom"
            headers = {"Authorization": f"Bearer {secret}", "X-Livekit-Request-Id": request}
            async with aiohttp.ClientSession() as http, http.post(url, json={"room": room}, headers=headers) as answer:
                return answer.status, (await answer.json()).get("code", "")

        first = f"{self.room}-1"
        self.assertEqual([await end(self.room, first) for _ in range(2)], [(200, "")] * 2)
        self.assertEqual(await end(self.room, f"{self.room}-2"), (404, NOT_FOUND), "it is gone")
        self.assertEqual(await end("another", first), (400, "invalid_argument"))
        # What was refused may be asked again.
        await self.person("ada", f"{self.room}-later")
        self.assertEqual(await end(f"{self.room}-later", f"{self.room}-2"), (200, ""))

    async def test_what_is_not_here_is_said_to_be(self):
        forward = api.ForwardParticipantRequest(room=self.room, identity="bob", destination_room="other")
        await self.refused("unimplemented", self.api.room.forward_participant(forward))

    async def test_no_other_token_will_do(self):
        await self.person("ada")
        whom = {"room": self.room, "identity": "ada"}

        async def code(secret: str, grants: api.VideoGrants) -> str:
            made = api.AccessToken(API_KEY, secret).with_identity("server").with_grants(grants).to_jwt()
            url = f"{self.server.page}/twirp/livekit.RoomService/RemoveParticipant"
            headers = {"Authorization": f"Bearer {made}"}
            async with aiohttp.ClientSession() as http, http.post(url, json=whom, headers=headers) as answer:
                return (await answer.json())["code"]

        admin = api.VideoGrants(room_admin=True, room=self.room)
        self.assertEqual(await code("a forged secret that is long enough, too", admin), "unauthenticated")
        self.assertEqual(await code(API_SECRET, api.VideoGrants(room_admin=True, room="another")), DENIED)
        self.assertEqual(await code(API_SECRET, api.VideoGrants(room_create=True, room_list=True)), DENIED)
        person = api.VideoGrants(room_admin=True, room_join=True, room=self.room)
        self.assertEqual(await code(API_SECRET, person), DENIED)
        self.assertEqual(await self.participants(self.room), ["ada"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
