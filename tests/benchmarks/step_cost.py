"""What a step costs: ours (sandbox, journal, model client) next to a bare loop on the same scripted endpoint.

usage: python tests/benchmarks/step_cost.py [STEPS]

Both sides ask the same endpoint for the same replies (one ``bash`` call of ``true`` each). Time per step is measured
at the endpoint, from one request to the next, so it holds everything but the model. CPU is that of the whole process on
the host, as the kernel counts it; the container's own share is not in it.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import anyio

from pullwright.agents.change import RepositoryRef
from pullwright.agents.clock import SystemClock
from pullwright.agents.queue.open import open_store
from pullwright.agents.task import TaskSpec
from pullwright.agents.testing.scripted_endpoint import ScriptedEndpoint
from pullwright.agents.testing.scripted_model import Reply

BARE = Path(__file__).with_name("bare_loop.py")
TICK = os.sysconf("SC_CLK_TCK")


class Meter:
    """Plays the model and takes the times."""

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.arrivals: list[float] = []
        self.cpu: list[float] = []
        self.first_prompt = 0
        self.pid = 0
        self.started = threading.Event()

    def __call__(self, request: Mapping[str, Any]) -> Reply:
        self.started.wait(10)
        self.arrivals.append(time.monotonic())
        self.cpu.append(cpu_seconds(self.pid))
        if len(self.arrivals) == 1:
            self.first_prompt = len(json.dumps(request, ensure_ascii=False, separators=(",", ":")).encode())
        if len(self.arrivals) <= self.steps:
            return Reply(
                calls=(("bash", {"command": f"true {len(self.arrivals)}"}),)
            )  # the same again would end the run
        return Reply(calls=(("finish", {"title": "Nothing to do", "summary": "Nothing needs changing."}),))

    def run(self, command: list[str], **options: Any) -> None:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, **options)
        self.pid = process.pid
        self.started.set()
        process.wait(600)

    @property
    def step_ms(self) -> list[float]:
        times = self.arrivals[: self.steps + 1]
        return sorted(1000 * (after - before) for before, after in pairwise(times))

    @property
    def step_cpu_ms(self) -> float:
        return 1000 * (self.cpu[self.steps] - self.cpu[0]) / self.steps


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def repository(folder: Path) -> Path:
    path = folder / "repository"
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@example.test", "-C", str(path)]
    subprocess.run(["git", "init", "--quiet", "-b", "main", str(path)], check=True)
    (path / "README.md").write_text("A repository.\n")
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "--quiet", "-m", "Start"], check=True)
    return path


def ours(steps: int, folder: Path, checkout: Path) -> Meter:
    meter = Meter(steps)
    with ScriptedEndpoint(meter) as endpoint:
        environment = {**os.environ, "AGENT_HOME": str(folder / "home"), "AGENT_ENDPOINT_URL": endpoint.url}
        environment["AGENT_ENDPOINT_PROFILE"] = "vllm"
        command = [sys.executable, "-P", "-m", "pullwright.cli", "run", "Do nothing.", "--json", "--no-pr"]
        meter.run([*command, "--max-steps", str(steps + 10)], cwd=checkout, env=environment)
    return meter


def warm_seconds(folder: Path, checkout: Path) -> float:
    """Return the CPU from the last request of one run to the first of the next, in one worker process."""
    firsts: list[float] = []
    latest = 0.0

    def answer(request: Mapping[str, Any]) -> Reply:
        nonlocal latest
        now = cpu_seconds(worker.pid)
        if len(request["messages"]) == 2:
            firsts.append(now - latest)
        latest = now
        return Reply(calls=(("finish", {"title": "Nothing to do", "summary": "Nothing needs changing."}),))

    with ScriptedEndpoint(answer) as endpoint:
        environment = {**os.environ, "AGENT_HOME": str(folder / "home"), "AGENT_ENDPOINT_URL": endpoint.url}
        environment["AGENT_ENDPOINT_PROFILE"] = "vllm"
        anyio.run(file_tasks, f"sqlite:///{folder / 'home' / 'pullwright.db'}", checkout, 3)
        command = [sys.executable, "-P", "-m", "pullwright.cli", "worker", "--drain"]
        worker = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment)
        worker.wait(600)
    return min(firsts[1:])


async def file_tasks(url: str, checkout: Path, count: int) -> None:
    async with open_store(url, SystemClock()) as store:
        for _ in range(count):
            repository = RepositoryRef(url=str(checkout), name=checkout.name)
            await store.create(TaskSpec(instruction="Do nothing.", repository=repository, publish=False))


def prune(folder: Path) -> None:
    command = [sys.executable, "-P", "-m", "pullwright.cli", "sandbox", "prune"]
    environment = {**os.environ, "AGENT_HOME": str(folder / "home")}
    subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True)


def bare(steps: int) -> Meter:
    meter = Meter(steps)
    with ScriptedEndpoint(meter) as endpoint:
        meter.run([sys.executable, str(BARE), endpoint.url])
    return meter


def import_seconds(*modules: str) -> float:
    """Return the CPU that an interpreter takes to import packages, and nothing else."""
    times = []
    for _ in range(3):
        begun = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-c", f"import gc; gc.disable(); import {', '.join(modules)}"], check=True)
        ended = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(ended.ru_utime + ended.ru_stime - begun.ru_utime - begun.ru_stime)
    return min(times)


def help_ms() -> float:
    agent = Path(sys.executable).with_name("agent")
    times = []
    for _ in range(7):
        begun = time.monotonic()
        subprocess.run([str(agent), "--help"], stdout=subprocess.DEVNULL, check=True)
        times.append(1000 * (time.monotonic() - begun))
    return statistics.median(times)


def main() -> None:
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    with tempfile.TemporaryDirectory(prefix="pullwright-bench-") as name:
        folder = Path(name)
        checkout = repository(folder)
        ours(3, folder, checkout)  # the image and the clean base volume are made once, not in what is measured
        plain, real = bare(steps), ours(steps, folder, checkout)
        warm = warm_seconds(folder, checkout)
        prune(folder)
    p50 = statistics.median(real.step_ms)
    plain_p50 = statistics.median(plain.step_ms)
    rows = [
        ("step, p50, ms", f"{p50:.1f}", f"{plain_p50:.1f}", f"{p50 - plain_p50:.1f} over the bare loop (goal 15)"),
        (
            "step, p99, ms",
            f"{real.step_ms[int(steps * 0.99) - 1]:.1f}",
            f"{plain.step_ms[int(steps * 0.99) - 1]:.1f}",
            "",
        ),
        ("step, CPU on the host, ms", f"{real.step_cpu_ms:.1f}", f"{plain.step_cpu_ms:.1f}", "goal 10"),
        ("CPU before the first request, s", f"{real.cpu[0]:.2f}", f"{plain.cpu[0]:.2f}", "goal 0.5"),
        ("  of it importing openai, sqlmodel", f"{import_seconds('openai', 'sqlmodel'):.2f}", "", ""),
        ("  of a further run in the same worker", f"{warm:.2f}", "", "from the last request of the run before"),
        ("first prompt, bytes", str(real.first_prompt), str(plain.first_prompt), "goal 12000"),
        ("agent --help, ms", f"{help_ms():.0f}", "", "goal 250"),
    ]
    print(f"{'':38}{'pullwright':>12}{'bare loop':>12}")
    for name, mine, theirs, remark in rows:
        print(f"{name:38}{mine:>12}{theirs:>12}  {remark}")


if __name__ == "__main__":
    main()
