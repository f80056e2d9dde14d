"""The pool's placement next to round-robin and least connections, on one trace of agent conversations.

usage: python tests/benchmarks/pool_simulation.py [SEED]

A simulation: no clock, no model, the same numbers on every machine. The pool's side runs the real ``Placement`` and
``Admission``. A replica has one prefill unit that serves calls in turn, a decode speed per call that does not depend on
the others, and a KV cache that running calls hold and finished ones stay in until the room is needed (oldest first,
from their ends). Policies see the same conversations at the same times; a step begins when the one before it and its
tool are done. "Again" counts prompt tokens that an earlier call of the same conversation had computed. The time to the
first token holds the wait for admission, which only the pool has and only new conversations meet; the simulation lets
them wait for ever. Nothing fails in it.
"""

from __future__ import annotations

import heapq
import itertools
import random
import statistics
import sys
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from pullwright.agents.pool.admission import Admission, AdmissionLimits
from pullwright.agents.pool.load import Load
from pullwright.agents.pool.placement import Placement

KV_TOKENS = 380_000
"""Four 80 GB cards, BF16 cache."""
PREFILL_RATE = 8_000.0
DECODE_RATE = 40.0
"""Tokens per second; both assumed, and the same for every policy."""
COMMON_PREFIX = 6_000
"""Tokens of system prompt and tools that all conversations share."""
SCRAPE_SECONDS = 5.0
POLL_SECONDS = 1.0
HOURS = 2.0
GOAL = 2.0


@dataclass(frozen=True, slots=True)
class Step:
    added: int
    """Prompt tokens that are new: the task, or a tool's result."""
    completion: int
    tool_seconds: float


@dataclass(frozen=True, slots=True)
class Conversation:
    name: str
    arrives: float
    steps: tuple[Step, ...]


@dataclass(slots=True)
class Call:
    conversation: str
    issued: float
    known: int
    """Tokens of the prompt that an earlier call computed."""
    prompt: int
    completion: int


@dataclass(slots=True)
class Result:
    again: int = 0
    fresh: int = 0
    first_token: list[float] = field(default_factory=list)
    first_token_later: list[float] = field(default_factory=list)
    """Of calls that are not the first of their conversation."""
    ended: float = 0.0


def conversation(random_: random.Random, name: str, arrives: float) -> Conversation:
    steps = []
    for number in range(random_.randint(15, 65)):
        result = min(12_000.0, random_.lognormvariate(6.6, 1.1))
        steps.append(
            Step(
                added=int(COMMON_PREFIX + random_.lognormvariate(8.3, 0.6)) if number == 0 else int(result),
                completion=int(min(4_000.0, 50 + random_.lognormvariate(5.6, 0.8))),
                tool_seconds=min(300.0, random_.lognormvariate(1.1, 1.3)),
            )
        )
    return Conversation(name, arrives, tuple(steps))


def token_seconds(one: Conversation) -> float:
    """KV tokens times seconds that a conversation needs when nothing makes it wait."""
    total, context = 0.0, 0
    for step in one.steps:
        context += step.added + step.completion
        total += context * (step.added / PREFILL_RATE + step.completion / DECODE_RATE + step.tool_seconds)
    return total


def trace(seed: int, replicas: int, load: float, hours: float = HOURS) -> list[Conversation]:
    """Conversations that arrive for some hours and whose contexts fill ``load`` of all KV caches on average."""
    random_ = random.Random(seed)
    sample = [token_seconds(conversation(random_, "", 0.0)) for _ in range(500)]
    rate = load * replicas * KV_TOKENS / statistics.mean(sample)
    found: list[Conversation] = []
    now = random_.expovariate(rate)
    while now < hours * 3600:
        found.append(conversation(random_, f"task-{seed}-{len(found)}", now))
        now += random_.expovariate(rate)
    return found


class Replica:
    """One engine."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.waiting: deque[Call] = deque()
        self.running: dict[str, int] = {}
        self.cached: OrderedDict[str, int] = OrderedDict()
        self._prefill_free = 0.0
        self._warm = False

    @property
    def connections(self) -> int:
        return len(self.waiting) + len(self.running)

    def load(self) -> Load:
        share = sum(self.running.values()) / KV_TOKENS
        return Load(running=len(self.running), waiting=len(self.waiting), kv_share=share, kv_tokens=KV_TOKENS)

    def start(self, now: float, result: Result) -> list[tuple[float, Call]]:
        """Start what fits; return when each ends."""
        ends = []
        while self.waiting:
            call = self.waiting[0]
            need = call.prompt + call.completion
            if self.running and sum(self.running.values()) + need > KV_TOKENS:
                break
            self.waiting.popleft()
            ends.append((self._prefill(call, now, result) + call.completion / DECODE_RATE, call))
            self.running[call.conversation] = need
            self._evict()
        return ends

    def end(self, call: Call) -> None:
        self.cached[call.conversation] = self.running.pop(call.conversation)
        self._evict()

    def _prefill(self, call: Call, now: float, result: Result) -> float:
        """Return the time of the first token."""
        found = max(self.cached.pop(call.conversation, 0), COMMON_PREFIX if self._warm else 0)
        self._warm = True
        found = min(found, call.prompt)
        result.again += max(0, call.known - found)
        result.fresh += call.prompt - call.known
        self._prefill_free = max(now, self._prefill_free) + (call.prompt - found) / PREFILL_RATE
        first = self._prefill_free + 1 / DECODE_RATE
        result.first_token.append(first - call.issued)
        if call.known:
            result.first_token_later.append(first - call.issued)
        return first

    def _evict(self) -> None:
        over = sum(self.running.values()) + sum(self.cached.values()) - KV_TOKENS
        while over > 0 and self.cached:
            name, tokens = next(iter(self.cached.items()))
            if tokens > over:
                self.cached[name] = tokens - over
                return
            over -= self.cached.pop(name)


class Policy(Protocol):
    def choose(self, call: Call, now: float) -> Replica | None: ...

    def ended(self, call: Call, now: float, *, last: bool) -> None: ...

    def scrape(self) -> None: ...


class Plain:
    """Looks at one call at a time."""

    def __init__(self, pick: Callable[[], Replica]) -> None:
        self._pick = pick

    def choose(self, call: Call, now: float) -> Replica | None:
        return self._pick()

    def ended(self, call: Call, now: float, *, last: bool) -> None:
        pass

    def scrape(self) -> None:
        pass


class Pooled:
    """The real decisions, fed as the pool feeds them."""

    def __init__(self, replicas: Sequence[Replica]) -> None:
        self._replicas = {replica.name: replica for replica in replicas}
        self._admissions = {name: Admission(AdmissionLimits()) for name in self._replicas}
        self._placement = Placement(self._admissions)

    def choose(self, call: Call, now: float) -> Replica | None:
        name = self._placement.place(call.conversation, call.prompt, usable=set(self._replicas), now=now)
        if name is None:
            return None
        self._placement.call_began(call.conversation)
        return self._replicas[name]

    def ended(self, call: Call, now: float, *, last: bool) -> None:
        self._placement.call_ended(call.conversation, now, call.prompt + call.completion)
        if last:
            self._placement.release(call.conversation)

    def scrape(self) -> None:
        for name, admission in self._admissions.items():
            admission.note(self._replicas[name].load())


def round_robin(replicas: Sequence[Replica]) -> Policy:
    turn = itertools.cycle(replicas)
    return Plain(lambda: next(turn))


def least_connections(replicas: Sequence[Replica]) -> Policy:
    return Plain(lambda: min(replicas, key=lambda replica: replica.connections))


POLICIES: dict[str, Callable[[Sequence[Replica]], Policy]] = {
    "pool": Pooled,
    "round-robin": round_robin,
    "least connections": least_connections,
}


class Simulation:
    """One policy on one trace."""

    def __init__(self, conversations: Sequence[Conversation], replicas: int, make: Callable[..., Policy]) -> None:
        self._replicas = [Replica(f"replica-{number}") for number in range(replicas)]
        self._policy = make(self._replicas)
        self._events: list[tuple[float, int, Callable[[float], None]]] = []
        self._order = itertools.count()
        self._left = len(conversations)
        self._sent: dict[int, tuple[Replica, Callable[[float], None]]] = {}
        self.result = Result()
        for one in conversations:
            self._at(one.arrives, partial(self._step, one, 0, 0))
        self._at(0.0, self._scrape)

    def run(self) -> Result:
        while self._left:
            now, _, act = heapq.heappop(self._events)
            act(now)
            self.result.ended = now
        return self.result

    def _at(self, when: float, act: Callable[[float], None]) -> None:
        heapq.heappush(self._events, (when, next(self._order), act))

    def _scrape(self, now: float) -> None:
        self._policy.scrape()
        self._at(now + SCRAPE_SECONDS, self._scrape)

    def _step(self, one: Conversation, number: int, known: int, now: float) -> None:
        step = one.steps[number]
        call = Call(one.name, now, known, known + step.added, step.completion)
        self._send(call, partial(self._ended, one, number, call), now)

    def _send(self, call: Call, then: Callable[[float], None], now: float) -> None:
        replica = self._policy.choose(call, now)
        if replica is None:
            self._at(now + POLL_SECONDS, partial(self._send, call, then))
            return
        replica.waiting.append(call)
        self._sent[id(call)] = (replica, then)
        self._start(replica, now)

    def _start(self, replica: Replica, now: float) -> None:
        for ends, call in replica.start(now, self.result):
            self._at(ends, partial(self._finish, call))

    def _finish(self, call: Call, now: float) -> None:
        replica, then = self._sent.pop(id(call))
        replica.end(call)
        then(now)
        self._start(replica, now)

    def _ended(self, one: Conversation, number: int, call: Call, now: float) -> None:
        last = number + 1 == len(one.steps)
        self._policy.ended(call, now, last=last)
        if last:
            self._left -= 1
            return
        known = call.prompt + call.completion
        self._at(now + one.steps[number].tool_seconds, partial(self._step, one, number + 1, known))


def simulate(replicas: int, load: float, seed: int, hours: float = HOURS) -> dict[str, Result]:
    """Run every policy on the same trace."""
    conversations = trace(seed, replicas, load, hours)
    return {name: Simulation(conversations, replicas, make).run() for name, make in POLICIES.items()}


def quantile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def saving(results: dict[str, Result]) -> float:
    """How many times fewer tokens the pool prefills again than the better of the others."""
    others = min(result.again for name, result in results.items() if name != "pool")
    return others / max(1, results["pool"].again)


def report(replicas: int, load: float, results: dict[str, Result]) -> None:
    ours = results["pool"]
    print(f"\n{replicas} replicas, conversations fill {load:.0%} of the KV caches, {len(ours.first_token)} calls")
    print(f"{'':20}{'again,':>10}{'x pool':>9}{'TTFT p50,':>12}{'p99,':>9}{'p99 but':>11}{'all done,':>11}")
    print(f"{'':20}{'M tokens':>10}{'':>9}{'s':>12}{'s':>9}{'first, s':>11}{'h':>11}")
    for name, result in results.items():
        ratio = result.again / max(1, ours.again)
        p50, p99 = quantile(result.first_token, 0.5), quantile(result.first_token, 0.99)
        later = quantile(result.first_token_later, 0.99)
        again, hours = result.again / 1e6, result.ended / 3600
        print(f"{name:20}{again:>10.2f}{ratio:>9.1f}{p50:>12.2f}{p99:>9.1f}{later:>11.1f}{hours:>11.2f}")


def main() -> None:
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    worst = float("inf")
    for load in (0.5, 0.8, 1.1):
        for replicas in (2, 4, 8):
            results = simulate(replicas, load, seed)
            report(replicas, load, results)
            if replicas == 4:
                worst = min(worst, saving(results))
    print(f"\nat 4 replicas, in the worst case: {worst:.1f} times fewer tokens prefilled again (goal {GOAL:g})")


if __name__ == "__main__":
    main()
