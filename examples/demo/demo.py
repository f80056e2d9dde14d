"""The main job, for real: an issue on a code host becomes a pull request.

Everything but the code host is what you will run yourself: the ``agent`` command, the container engine, git over HTTPS
with a token, the fresh container that checks the change. The code host is a rehearsal on this machine. The model is the
one behind AGENT_ENDPOINT_URL if you set it, otherwise a scripted one.
"""

from __future__ import annotations

import base64
import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from pullwright.agents.testing.endpoint_script import read_script
from pullwright.agents.testing.scripted_endpoint import ScriptedEndpoint
from pullwright.integrations.testing.forge import AGENT_TOKEN, RehearsalForge
from pullwright.integrations.testing.sample_repositories import SAMPLES

SCRIPT = Path(__file__).with_name("script.json")


def main() -> int:
    sample = SAMPLES["invoice"]()
    with ExitStack() as stack:
        url = os.environ.get("AGENT_ENDPOINT_URL") or _scripted(stack)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pullwright-demo-")))
        forge = stack.enter_context(RehearsalForge(folder / "forge"))
        forge.create_sample("acme", sample)
        environment = _environment(forge, folder, url)
        stack.callback(_clean_up, environment)
        checkout = _clone(forge, folder, environment)
        print(f"A checkout of {forge.web_url}/acme/invoice, where issue #42 says:", file=sys.stderr)
        print(f'  "{sample.issue.title}"\n', file=sys.stderr)
        print('$ agent run "fix issue #42"', file=sys.stderr, flush=True)
        code = subprocess.run(
            [sys.executable, "-P", "-m", "pullwright.cli", "run", "fix issue #42", "--check", sample.check],
            cwd=checkout,
            env=environment,
            check=False,
        ).returncode
        return code or _show_pull_request(forge)


def _scripted(stack: ExitStack) -> str:
    print("The model is scripted: it plays back examples/demo/script.json.", file=sys.stderr)
    print(
        "For a real one: AGENT_ENDPOINT_URL=http://HOST:PORT/v1 AGENT_ENDPOINT_PROFILE=vllm make demo\n",
        file=sys.stderr,
    )
    endpoint = stack.enter_context(ScriptedEndpoint(read_script(SCRIPT)))
    os.environ["AGENT_ENDPOINT_PROFILE"] = "vllm"
    return endpoint.url


def _environment(forge: RehearsalForge, folder: Path, url: str) -> dict[str, str]:
    return {
        **os.environ,
        "AGENT_HOME": str(folder / "agent-home"),
        "AGENT_ENDPOINT_URL": url,
        "AGENT_GITHUB_API_URL": forge.api_url,
        "AGENT_GITHUB_TOKEN": AGENT_TOKEN,
        # The rehearsal signs its own certificate; a real code host needs neither of these.
        "REQUESTS_CA_BUNDLE": str(forge.ca_file),
        "GIT_SSL_CAINFO": str(forge.ca_file),
        "PYTHONSAFEPATH": "1",
    }


def _clone(forge: RehearsalForge, folder: Path, environment: dict[str, str]) -> Path:
    checkout = folder / "invoice"
    basic = base64.b64encode(f"x-access-token:{AGENT_TOKEN}".encode()).decode()
    header = {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"http.{forge.web_url}/.extraHeader",
        "GIT_CONFIG_VALUE_0": f"Authorization: Basic {basic}",
    }
    command = ["git", "clone", "--quiet", forge.clone_url("acme", "invoice"), str(checkout)]
    subprocess.run(command, env=environment | header, check=True)
    return checkout


def _clean_up(environment: dict[str, str]) -> None:
    """The clean base that runs share is worth keeping, but not for a home that ends with the demo."""
    command = [sys.executable, "-P", "-m", "pullwright.cli", "sandbox", "prune"]
    subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=False)


def _show_pull_request(forge: RehearsalForge) -> int:
    pulls = forge.pull_requests("acme", "invoice")
    if len(pulls) != 1:
        print(f"demo: {len(pulls)} pull requests are open, one was expected", file=sys.stderr)
        return 1
    pull = pulls[0]
    print(f"\nWhat a reviewer sees: #{pull.number} {pull.issue.title}\n", file=sys.stderr)
    for line in (pull.issue.body or "").splitlines():
        print(f"  | {line}", file=sys.stderr)
    print(file=sys.stderr)
    diff = forge.pull_request_diff("acme", "invoice", pull.number)
    print(diff.decode("utf-8", "replace"), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
