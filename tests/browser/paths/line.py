"""A home's line in user space: two network devices, and what a bad line does to the IP packets between them.

Each direction has a rate, a drop-tail queue in bytes, a delay and random loss; an outage drops everything. Settings come as
JSON lines on standard input, counters go out as JSON lines when asked for. It needs /dev/net/tun and the right to make
devices; kernels that have `tc netem` could do the same, this one need not have it.

    python3 line.py DEVICE_AT_HOME DEVICE_OUTSIDE
    {"down": {"rate": 2500000, "queue_ms": 200, "delay_ms": 20, "loss": 0.0}, "up": {...}}
    {"outage": true}
    {"count": true}
"""

import fcntl
import json
import os
import random
import select
import struct
import sys
import time
from collections import deque

TUNSETIFF = 0x400454CA
IFF_TUN_WITHOUT_HEADER = 0x0001 | 0x1000
MTU = 1500
# Packets taken from one device before the clock is looked at again.
AT_ONCE = 64


def device(name):
    """A TUN device; it lives as long as its descriptor, in whichever namespace it is moved to."""
    descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(descriptor, TUNSETIFF, struct.pack("16sH", name.encode(), IFF_TUN_WITHOUT_HEADER))
    return descriptor


class Direction:
    """One way: packets wait for their turn at `rate`, then travel for `delay`."""

    def __init__(self, into, seed):
        self.into = into
        self.random = random.Random(seed)
        self.rate, self.queue_ms, self.delay, self.loss = 1_000_000_000, 200, 0.0, 0.0
        self.queue, self.bytes = deque(), 0
        self.free_at = 0.0
        self.travelling = deque()
        self.count = {"in": 0, "out": 0, "lost": 0, "overflowed": 0, "bytes_out": 0, "queue_ms_max": 0.0}

    def set(self, rate=None, queue_ms=None, delay_ms=None, loss=None):
        self.rate = rate or self.rate
        self.queue_ms = self.queue_ms if queue_ms is None else queue_ms
        self.delay = self.delay if delay_ms is None else delay_ms / 1000
        self.loss = self.loss if loss is None else loss

    def take(self, packet, now, outage):
        self.count["in"] += 1
        if outage or self.random.random() < self.loss:
            self.count["lost"] += 1
            return
        limit = max(2 * MTU, self.rate * self.queue_ms / 8000)
        if self.bytes + len(packet) > limit:
            self.count["overflowed"] += 1
            return
        if not self.queue:
            self.free_at = max(self.free_at, now)
        self.queue.append(packet)
        self.bytes += len(packet)
        self.count["queue_ms_max"] = max(self.count["queue_ms_max"], self.bytes * 8000 / self.rate)

    def serve(self, now):
        """Sends what is due; returns when the next is."""
        while self.queue:
            done = self.free_at + len(self.queue[0]) * 8 / self.rate
            if done > now:
                break
            packet = self.queue.popleft()
            self.bytes -= len(packet)
            self.free_at = done
            self.travelling.append((done + self.delay, packet))
        while self.travelling and self.travelling[0][0] <= now:
            packet = self.travelling.popleft()[1]
            try:
                os.write(self.into, packet)
                self.count["out"] += 1
                self.count["bytes_out"] += len(packet)
            except OSError:
                self.count["lost"] += 1
        due = []
        if self.queue:
            due.append(self.free_at + len(self.queue[0]) * 8 / self.rate)
        if self.travelling:
            due.append(self.travelling[0][0])
        return min(due, default=None)


def packets(descriptor):
    for _ in range(AT_ONCE):
        try:
            yield os.read(descriptor, 65536)
        except (BlockingIOError, OSError):
            return


def obey(line, directions, state):
    command = json.loads(line)
    for name in ("down", "up"):
        if name in command:
            directions[name].set(**command[name])
    if "outage" in command:
        state["outage"] = command["outage"]
    if "count" in command:
        print(json.dumps({name: one.count for name, one in directions.items()}), flush=True)
        for one in directions.values():
            one.count = dict.fromkeys(one.count, 0)


def main():
    try:
        # A line keeps its time whatever else the machine does.
        os.nice(-10)
    except PermissionError:
        pass
    home, outside = device(sys.argv[1]), device(sys.argv[2])
    directions = {"down": Direction(home, 1), "up": Direction(outside, 2)}
    state = {"outage": False}
    rest = b""
    print(json.dumps({"ready": True}), flush=True)
    while True:
        now = time.monotonic()
        due = [at for at in (one.serve(now) for one in directions.values()) if at is not None]
        wait = max(0.0, min(due) - time.monotonic()) if due else 1.0
        readable, _, _ = select.select([home, outside, 0], [], [], wait)
        now = time.monotonic()
        for packet in packets(outside) if outside in readable else ():
            directions["down"].take(packet, now, state["outage"])
        for packet in packets(home) if home in readable else ():
            directions["up"].take(packet, now, state["outage"])
        if 0 in readable:
            piece = os.read(0, 65536)
            if not piece:
                return
            *lines, rest = (rest + piece).split(b"\n")
            for line in lines:
                obey(line, directions, state)


main()
