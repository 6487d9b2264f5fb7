"""PyPI `livekit`, unmodified, against a real server: join, publish, subscribe, data, RPC, reconnect, ten rounds.

Run with the project's own Python: `.tools/venv/bin/python -m unittest discover -s tests/python`.
"""

import asyncio
import contextlib
import itertools
import time
import unittest

import numpy as np
from livekit import api, rtc
from livekit.rtc import SimulateScenarioKind

from server import API_KEY, API_SECRET, Server, token

WAIT = 15.0
_sessions = itertools.count(1)


async def until(what: str, condition, timeout: float = WAIT):
    """Polls, as the SDK has no event for everything; says what did not happen."""
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not in {timeout} s: {what}")
        await asyncio.sleep(0.05)
    return value


class Person:
    """One participant, with what it has received so far."""

    present = []

    def __init__(self, url: str, session: str, identity: str, role: str = "therapist", **options):
        self.url, self.identity = url, identity
        self.token = token(session, identity, role)
        self.options = rtc.RoomOptions(**options)
        self.room = rtc.Room()
        self.data, self.events, self.texts = [], [], []
        self.video_frames, self.audio_energy, self.size = 0, 0.0, (0, 0)
        self.spoken = 0
        self._tasks = []
        self.room.on("data_received", self.data.append)
        self.room.on("track_subscribed", self._watch)
        for event in ("reconnecting", "reconnected", "disconnected", "participant_disconnected"):
            self.room.on(event, lambda *_args, event=event: self.events.append(event))
        self.room.register_text_stream_handler("chat", lambda reader, _who: self._spawn(self._read(reader)))

    def _spawn(self, coroutine):
        self._tasks.append(asyncio.ensure_future(coroutine))

    async def _read(self, reader):
        self.texts.append(await reader.read_all())

    def _watch(self, track, _publication, _participant):
        video = track.kind == rtc.TrackKind.KIND_VIDEO
        self._spawn(self._watch_video(track) if video else self._watch_audio(track))

    # Streams are closed by whoever opened them: one that the garbage collector finds takes itself out of the SDK's list
    # of listeners in whatever thread it runs, in the middle of an event's way to them.
    async def _watch_video(self, track):
        async with contextlib.aclosing(rtc.VideoStream(track)) as frames:
            async for event in frames:
                self.video_frames += 1
                self.size = (event.frame.width, event.frame.height)

    async def _watch_audio(self, track):
        async with contextlib.aclosing(rtc.AudioStream(track, sample_rate=48_000, num_channels=1)) as frames:
            async for event in frames:
                samples = np.frombuffer(event.frame.data, dtype=np.int16).astype(np.float64)
                self.audio_energy += float(np.mean(samples * samples))

    async def join(self) -> "Person":
        await self.room.connect(self.url, self.token, self.options)
        Person.present.append(self)
        return self

    async def publish(self):
        """A moving picture of 320x180 and a tone of 440 Hz."""
        self.video = rtc.VideoSource(320, 180)
        self.audio = rtc.AudioSource(48_000, 1)
        me = self.room.local_participant
        camera = rtc.LocalVideoTrack.create_video_track("camera", self.video)
        microphone = rtc.LocalAudioTrack.create_audio_track("microphone", self.audio)
        source = rtc.TrackSource
        await me.publish_track(camera, rtc.TrackPublishOptions(source=source.SOURCE_CAMERA, simulcast=False))
        await me.publish_track(microphone, rtc.TrackPublishOptions(source=source.SOURCE_MICROPHONE))
        self._spawn(self._show())
        self._spawn(self._sound())

    async def _show(self):
        for number in itertools.count():
            picture = np.full((180, 320, 4), (number * 5) % 256, dtype=np.uint8)
            picture[number % 180, :, :3] = 255
            self.video.capture_frame(rtc.VideoFrame(320, 180, rtc.VideoBufferType.RGBA, picture.tobytes()))
            await asyncio.sleep(1 / 15)

    async def _sound(self):
        chunk = 480
        for number in itertools.count():
            at = (np.arange(chunk) + number * chunk) / 48_000
            samples = (np.sin(2 * np.pi * 440 * at) * 8_000).astype(np.int16)
            await self.audio.capture_frame(rtc.AudioFrame(samples.tobytes(), 48_000, 1, chunk))
            self.spoken = number

    def forget(self):
        self.video_frames, self.audio_energy = 0, 0.0

    async def sees_and_hears(self, frames: int = 10):
        await until(f"{self.identity} decodes video", lambda: self.video_frames >= frames)
        try:
            await until(f"{self.identity} hears sound", lambda: self.audio_energy > 1e6)
        except AssertionError as error:
            everyone = [await person.sound() for person in Person.present]
            raise AssertionError(f"{error}; {everyone}") from None

    async def sound(self) -> str:
        """What became of the sound: given to the SDK here, sent, received, heard."""
        said = [f"{self.identity} spoke {self.spoken * 10} ms, heard {self.audio_energy:.3g}", *self.events]
        publications = list(self.room.local_participant.track_publications.values())
        for other in self.room.remote_participants.values():
            publications += other.track_publications.values()
        for publication in publications:
            if publication.kind != rtc.TrackKind.KIND_AUDIO or publication.track is None:
                continue
            for stats in await asyncio.wait_for(publication.track.get_stats(), WAIT):
                if stats.HasField("outbound_rtp"):
                    said.append(f"sent {stats.outbound_rtp.sent.packets_sent}")
                if stats.HasField("inbound_rtp"):
                    received = stats.inbound_rtp
                    energy = received.inbound.total_audio_energy
                    said.append(f"received {received.received.packets_received} of energy {energy:.3g}")
        return ", ".join(said)

    async def leave(self):
        if self in Person.present:
            Person.present.remove(self)
        for task in self._tasks:
            task.cancel()
        ended = await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.room.disconnect()
        faults = [one for one in ended if isinstance(one, Exception)]
        assert not faults, faults


class LiveKitTest(unittest.IsolatedAsyncioTestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server()
        cls.server.__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.server.__exit__(None, None, None)
        assert not cls.server.alarms(), cls.server.alarms()

    def setUp(self):
        self.session = f"python-{next(_sessions)}"
        self.people = []

    async def asyncTearDown(self):
        for person in self.people:
            await person.leave()

    async def person(self, identity: str, role: str = "therapist", **options) -> Person:
        person = Person(self.server.url, self.session, identity, role, **options)
        self.people.append(person)
        return await asyncio.wait_for(person.join(), WAIT)

    async def pair(self, **options) -> tuple[Person, Person]:
        ada, bob = await self.person("ada", **options), await self.person("bob", **options)
        await until("ada knows of bob", lambda: "bob" in ada.room.remote_participants)
        await until("bob knows of ada", lambda: "ada" in bob.room.remote_participants)
        return ada, bob

    async def test_everyone_is_told_of_everyone_with_name_and_role(self):
        ada, bob = await self.pair()
        self.assertEqual(bob.room.remote_participants["ada"].name, "ada")
        self.assertEqual(ada.room.remote_participants["bob"].attributes["parlour.role"], "therapist")
        await bob.leave()
        await until("bob is gone", lambda: "bob" not in ada.room.remote_participants)

    async def test_both_see_and_hear_each_other(self):
        ada, bob = await self.pair()
        await asyncio.gather(ada.publish(), bob.publish())
        await asyncio.gather(ada.sees_and_hears(), bob.sees_and_hears())

    async def test_two_peer_connections_carry_media_and_data_as_well(self):
        ada, bob = await self.pair(single_peer_connection=False)
        await asyncio.gather(ada.publish(), bob.publish())
        await asyncio.gather(ada.sees_and_hears(), bob.sees_and_hears())
        await ada.room.local_participant.publish_data(b"hello")
        await bob.room.local_participant.publish_data(b"hello too")
        await until("bob is greeted", lambda: [packet.data for packet in bob.data] == [b"hello"])
        await until("ada is greeted", lambda: [packet.data for packet in ada.data] == [b"hello too"])
        # Lossy messages do not wait for a channel to open: both have theirs by now.
        await bob.room.local_participant.publish_data(b"back", reliable=False)
        await until("ada is answered", lambda: [packet.data for packet in ada.data] == [b"hello too", b"back"])

    async def test_two_peer_connections_receive_on_while_more_is_published(self):
        ada, bob = await self.pair(single_peer_connection=False)
        await bob.publish()
        await ada.sees_and_hears()
        await ada.publish()
        await bob.sees_and_hears()
        ada.forget()
        await ada.sees_and_hears()

    async def test_two_peer_connections_resume_and_take_in_a_newcomer(self):
        _, bob = await self.reconnects(SimulateScenarioKind.SIMULATE_SIGNAL_RECONNECT, single_peer_connection=False)
        self.assertNotIn("participant_disconnected", bob.events)
        ada, eve = self.people[0], await self.person("eve", single_peer_connection=False)
        await eve.publish()
        await eve.sees_and_hears()
        tracks = lambda: list(ada.room.remote_participants["eve"].track_publications.values())
        await until("ada has eve's tracks", lambda: len(tracks()) == 2 and all(one.track for one in tracks()))

    async def test_one_and_two_peer_connections_meet(self):
        ada = await self.person("ada", single_peer_connection=False)
        bob = await self.person("bob")
        await asyncio.gather(ada.publish(), bob.publish())
        await asyncio.gather(ada.sees_and_hears(), bob.sees_and_hears())

    async def test_a_muted_track_is_shown_as_muted(self):
        ada, bob = await self.pair()
        await ada.publish()
        await bob.sees_and_hears()
        for publication in ada.room.local_participant.track_publications.values():
            publication.track.mute()
        theirs = bob.room.remote_participants["ada"].track_publications
        await until("bob sees the mutes", lambda: all(one.muted for one in theirs.values()))

    async def test_data_goes_both_ways_and_only_to_whom_it_is_for(self):
        ada, bob = await self.pair()
        eve = await self.person("eve")
        await until("ada knows of eve", lambda: "eve" in ada.room.remote_participants)
        await ada.room.local_participant.publish_data(b"to all", topic="t")
        await ada.room.local_participant.publish_data(b"to bob", destination_identities=["bob"])
        await until("bob has both", lambda: [packet.data for packet in bob.data] == [b"to all", b"to bob"])
        await until("eve has hers", lambda: eve.data)
        # Lossy messages do not wait for a channel to open: both have theirs by now.
        await bob.room.local_participant.publish_data(b"to ada")
        await until("ada has it", lambda: [packet.data for packet in ada.data] == [b"to ada"])
        await bob.room.local_participant.publish_data(b"back", reliable=False)
        await until("ada has the answer", lambda: [packet.data for packet in ada.data] == [b"to ada", b"back"])
        await until("eve has three", lambda: len(eve.data) >= 3)
        self.assertEqual(sorted(packet.data for packet in eve.data), [b"back", b"to ada", b"to all"])
        self.assertEqual(bob.data[0].participant.identity, "ada")
        self.assertEqual(bob.data[0].topic, "t")

    async def test_rpc_and_text_streams_work(self):
        ada, bob = await self.pair()

        async def greet(call: rtc.RpcInvocationData) -> str:
            return f"{call.caller_identity} said {call.payload}"

        bob.room.local_participant.register_rpc_method("greet", greet)
        answer = await ada.room.local_participant.perform_rpc(
            destination_identity="bob", method="greet", payload="hello"
        )
        self.assertEqual(answer, "ada said hello")
        text = "words " * 10_000
        await ada.room.local_participant.send_text(text, topic="chat")
        await until("bob read the text", lambda: bob.texts == [text])

    async def test_metadata_and_attributes_reach_the_others(self):
        ada, bob = await self.pair()
        me = ada.room.local_participant
        await asyncio.wait_for(me.set_metadata("m"), WAIT)
        await asyncio.wait_for(me.set_attributes({"seat": "2", "parlour.role": "client"}), WAIT)
        theirs = bob.room.remote_participants["ada"]
        await until("bob is told", lambda: theirs.metadata == "m" and theirs.attributes.get("seat") == "2")
        self.assertEqual(theirs.attributes["parlour.role"], "therapist")

    async def reconnects(self, scenario, **options):
        ada, bob = await self.pair(**options)
        await asyncio.gather(ada.publish(), bob.publish())
        await asyncio.gather(ada.sees_and_hears(), bob.sees_and_hears())
        await ada.room.simulate_scenario(scenario)
        await until("ada is back", lambda: "reconnected" in ada.events)
        ada.forget()
        bob.forget()
        await asyncio.gather(ada.sees_and_hears(), bob.sees_and_hears())
        await ada.room.local_participant.publish_data(b"still here")
        await until("bob hears of ada", lambda: [packet.data for packet in bob.data] == [b"still here"])
        self.assertNotIn("disconnected", ada.events)
        return ada, bob

    async def test_signalling_resumes_and_media_goes_on(self):
        _, bob = await self.reconnects(SimulateScenarioKind.SIMULATE_SIGNAL_RECONNECT)
        self.assertNotIn("participant_disconnected", bob.events)

    async def test_a_full_reconnect_publishes_again(self):
        await self.reconnects(SimulateScenarioKind.SIMULATE_FULL_RECONNECT)

    async def test_a_failing_node_is_survived(self):
        await self.reconnects(SimulateScenarioKind.SIMULATE_NODE_FAILURE)

    async def test_a_migration_is_survived(self):
        await self.reconnects(SimulateScenarioKind.SIMULATE_MIGRATION)

    async def test_signalling_that_breaks_again_at_the_resume_recovers(self):
        await self.reconnects(SimulateScenarioKind.SIMULATE_DISCONNECT_SIGNAL_ON_RESUME)

    async def test_a_leaving_server_ends_the_call(self):
        ada, _ = await self.pair()
        await ada.room.simulate_scenario(SimulateScenarioKind.SIMULATE_SERVER_LEAVE)
        await until("ada is told", lambda: "disconnected" in ada.events)

    async def test_ten_rounds_of_leaving_and_returning(self):
        ada = await self.person("ada")
        await ada.publish()
        for number in range(10):
            bob = await self.person("bob")
            await bob.publish()
            ada.forget()
            await asyncio.gather(ada.sees_and_hears(3), bob.sees_and_hears(3))
            await bob.leave()
            self.people.remove(bob)
            await until(f"bob left round {number}", lambda: "bob" not in ada.room.remote_participants)

    async def test_a_token_of_the_server_sdk_opens_and_a_forged_one_does_not(self):
        grants = api.VideoGrants(room_join=True, room=self.session)
        for secret, opens in ((API_SECRET, True), ("a forged secret that is long enough, too", False)):
            made = api.AccessToken(API_KEY, secret).with_identity("ada").with_grants(grants).to_jwt()
            room = rtc.Room()
            if opens:
                await asyncio.wait_for(room.connect(self.server.url, made), WAIT)
                self.assertEqual(room.name, self.session)
                await room.disconnect()
            else:
                with self.assertRaises(rtc.ConnectError):
                    await asyncio.wait_for(room.connect(self.server.url, made), WAIT)


if __name__ == "__main__":
    unittest.main(verbosity=2)
