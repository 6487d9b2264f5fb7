"""Tickets in the hands of PyPI `livekit`, unmodified: sessions that require end-to-end encryption, by voice, ad hoc.

Run with the project's own Python: `.tools/venv/bin/python -m unittest discover -s tests/python`.
"""

import asyncio
import unittest

from livekit import rtc

from control import Api
from server import Server
from test_livekit import WAIT, Person, until

KEY = b"a key the server never sees"


class EncryptedTicketTest(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        self.server = Server(ad_hoc=False)
        self.server.__enter__()
        self.api = Api(self.server.page, self.server.key("all"))
        self.people = []

    async def asyncTearDown(self):
        for person in self.people:
            await person.leave()
        self.server.__exit__(None, None, None)
        self.assertEqual(self.server.alarms(), [])

    async def person(self, session: str, identity: str, role: str, **options) -> Person:
        person = Person(self.server.url, session, identity, role, **options)
        person.token = self.api.redeem(self.api.ticket(session, identity, role))
        self.people.append(person)
        return await asyncio.wait_for(person.join(), WAIT)

    async def test_where_encryption_is_required_a_ticket_lets_in_who_encrypts_and_nothing_in_the_clear(self):
        session = self.api.session(policy={"waiting_room": False, "e2ee": "required"})
        sealed = {"encryption": rtc.E2EEOptions(rtc.KeyProviderOptions(shared_key=KEY))}
        ada = await self.person(session, "ada", "therapist", **sealed)
        bob = await self.person(session, "bob", "client", **sealed)
        await asyncio.gather(ada.publish(), bob.publish())
        await asyncio.gather(ada.sees_and_hears(), bob.sees_and_hears())

        eve = await self.person(session, "eve", "client")
        await until("ada knows of eve", lambda: "eve" in ada.room.remote_participants)
        with self.assertRaises(rtc.participant.PublishTrackError):
            # The SDK reads no refusal: it waits 10 s for a track that it may have.
            await asyncio.wait_for(eve.publish(), 3 * WAIT)
        self.assertEqual(len(ada.room.remote_participants["eve"].track_publications), 0)

    async def test_where_it_is_optional_a_ticket_does_not_say_that_its_bearer_encrypts(self):
        session = self.api.session(policy={"waiting_room": False})
        ada = await self.person(session, "ada", "therapist")
        bob = await self.person(session, "bob", "client")
        await ada.publish()
        await bob.sees_and_hears()


class Speaker(Person):
    """Who has a microphone and nothing else."""

    async def speak(self):
        self.audio = rtc.AudioSource(48_000, 1)
        microphone = rtc.LocalAudioTrack.create_audio_track("microphone", self.audio)
        options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
        await self.room.local_participant.publish_track(microphone, options)
        self._spawn(self._sound())


class VoiceTest(unittest.IsolatedAsyncioTestCase):
    """A session that is held by voice."""

    async def test_sound_is_carried_and_a_picture_is_refused(self):
        with Server(ad_hoc=False) as server:
            control = Api(server.page, server.key("all"))
            session = control.session(modality="audio", policy={"waiting_room": False})
            people = [Speaker(server.url, session, who, role) for who, role in (("ada", "therapist"), ("bob", "client"))]
            ada, bob = people
            try:
                for person, role in ((ada, "therapist"), (bob, "client")):
                    person.token = control.redeem(control.ticket(session, person.identity, role))
                    await asyncio.wait_for(person.join(), WAIT)
                await bob.speak()
                await until("ada hears bob", lambda: ada.audio_energy > 1e6)
                for source in (rtc.TrackSource.SOURCE_CAMERA, rtc.TrackSource.SOURCE_SCREENSHARE):
                    picture = rtc.LocalVideoTrack.create_video_track("picture", rtc.VideoSource(320, 180))
                    publishing = bob.room.local_participant.publish_track(picture, rtc.TrackPublishOptions(source=source))
                    with self.assertRaises(rtc.participant.PublishTrackError):
                        await asyncio.wait_for(publishing, WAIT)
                kinds = [one.kind for one in ada.room.remote_participants["bob"].track_publications.values()]
                self.assertEqual(kinds, [rtc.TrackKind.KIND_AUDIO])
                self.assertEqual(ada.video_frames, 0)
            finally:
                for person in people:
                    await person.leave()
        self.assertEqual(server.alarms(), [])


class AdHocTest(unittest.IsolatedAsyncioTestCase):
    """Rooms that a token alone opens."""

    async def test_a_person_moves_to_another_device_there_too(self):
        with Server() as server:
            people = [Person(server.url, "ad-hoc", who, role) for who, role in
                      (("ada", "therapist"), ("bob", "client"), ("bob", "client"))]
            ada, laptop, phone = people
            try:
                await asyncio.wait_for(ada.join(), WAIT)
                await asyncio.wait_for(laptop.join(), WAIT)
                await laptop.publish()
                await ada.sees_and_hears()
                own, stranger = Api(server.page, laptop.token), Api(server.page, None)
                ticket = own.must("POST", "/sessions/ad-hoc/hand-over")["ticket"]
                phone.token = stranger.redeem(ticket)
                used = stranger.ask("POST", "/tickets/redeem", {"ticket": ticket})
                self.assertEqual((used.status, used.problem), (403, "ticket-refused"))
                await asyncio.wait_for(phone.join(), WAIT)
                await phone.publish()
                await until("the laptop is out", lambda: "disconnected" in laptop.events)
                ada.forget()
                await ada.sees_and_hears()
                self.assertEqual(list(ada.room.remote_participants), ["bob"])
            finally:
                for person in people:
                    await person.leave()
            records = Api(server.page, server.key("all")).must("GET", "/audit?limit=1000")["records"]
            actions = [one["action"] for one in records if one["action"].startswith("ticket.")]
            self.assertEqual(actions, ["ticket.issued", "ticket.used", "ticket.refused"])
        self.assertEqual(server.alarms(), [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
