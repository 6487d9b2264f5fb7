"""A client of the control API, and people who only take a seat: signalling without media."""

import json
import unittest
import urllib.error
import urllib.parse
import urllib.request

import aiohttp

from server import Server

WAIT = 15.0


class Answer:
    """Of one request."""

    def __init__(self, status: int, headers, body: bytes):
        self.status, self.headers, self.raw = status, headers, body

    @property
    def json(self):
        return json.loads(self.raw) if self.raw else None

    @property
    def problem(self) -> str:
        """The last part of the problem's type."""
        assert self.headers["content-type"] == "application/problem+json", (self.status, self.raw)
        return self.json["type"].removeprefix("urn:parlour:problem:")


class Api:
    """In the name of one key or token; `None`: nobody."""

    def __init__(self, page: str, secret: str | None):
        self.base, self.secret = f"{page}/v1", secret

    def ask(self, method: str, path: str, body=None, raw: bytes | None = None, **headers) -> Answer:
        data = raw if raw is not None else (None if body is None else json.dumps(body).encode())
        request = urllib.request.Request(f"{self.base}{path}", data=data, method=method)
        if data is not None:
            request.add_header("content-type", "application/json")
        if self.secret:
            request.add_header("authorization", f"Bearer {self.secret}")
        for name, value in headers.items():
            request.add_header(name.replace("_", "-"), value)
        try:
            with urllib.request.urlopen(request, timeout=WAIT) as response:
                return Answer(response.status, response.headers, response.read())
        except urllib.error.HTTPError as error:
            return Answer(error.code, error.headers, error.read())

    def must(self, method: str, path: str, body=None, **headers):
        """The body of what must be done."""
        answer = self.ask(method, path, body, **headers)
        assert answer.status < 300, (method, path, answer.status, answer.raw)
        return answer.json

    def session(self, **words) -> str:
        return self.must("POST", "/sessions", words)["id"]

    def ticket(self, session: str, identity: str, role: str = "client", **words) -> str:
        body = {"identity": identity, "role": role, **words}
        return self.must("POST", f"/sessions/{session}/tickets", body)["ticket"]

    def redeem(self, ticket: str) -> str:
        return self.must("POST", "/tickets/redeem", {"ticket": ticket})["token"]

    def view(self, session: str):
        return self.must("GET", f"/sessions/{session}/view")

    def place(self, session: str, identity: str) -> str:
        people = self.must("GET", f"/sessions/{session}/participants")["participants"]
        return next((one["place"] for one in people if one["identity"] == identity), "unknown")


class Seat:
    """Someone with a signalling socket and no media: seated, as far as the session is concerned."""

    def __init__(self, url: str, token: str):
        self.url, self.token = url, token

    async def __aenter__(self) -> "Seat":
        self.http = aiohttp.ClientSession()
        try:
            query = urllib.parse.urlencode({"access_token": self.token})
            self.socket = await self.http.ws_connect(f"{self.url}/rtc/v1?{query}", timeout=aiohttp.ClientWSTimeout(1))
            # The join response: the seat is there.
            await self.socket.receive(timeout=WAIT)
        except BaseException:
            await self.http.close()
            raise
        return self

    async def __aexit__(self, *_exc) -> None:
        await self.http.close()

    async def is_seated(self) -> bool:
        """Asks the server over the socket itself: one that was closed shows so only to who uses it."""
        await self.socket.send_str(json.dumps({"ping": "1"}))
        while (message := await self.socket.receive(timeout=WAIT)).type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
            if message.type == aiohttp.WSMsgType.TEXT and "pong" in json.loads(message.data):
                return True
        return False


class OwnServerTest(unittest.IsolatedAsyncioTestCase):
    """Each test has a server of its own, whose sessions are made by the control API."""

    async def asyncSetUp(self):
        self.server = Server(ad_hoc=False)
        self.server.__enter__()
        self.addCleanup(self.server.__exit__, None, None, None)
        self.api = Api(self.server.page, self.server.key("all"))
