"""Tickets in the hands of PyPI `livekit`, unmodified: a session that requires end-to-end encryption.

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
            await asyncio.wait_for(eve.publish(), WAIT)
        self.assertEqual(len(ada.room.remote_participants["eve"].track_publications), 0)

    async def test_where_it_is_optional_a_ticket_does_not_say_that_its_bearer_encrypts(self):
        session = self.api.session(policy={"waiting_room": False})
        ada = await self.person(session, "ada", "therapist")
        bob = await self.person(session, "bob", "client")
        await ada.publish()
        await bob.sees_and_hears()


if __name__ == "__main__":
    unittest.main(verbosity=2)
