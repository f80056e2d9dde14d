from __future__ import annotations

import json
import re
import shlex
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pullwright.agents.errors import ConfigError
from pullwright.agents.llm.capacity import Gpus, KvCache, Wish, parse_gpus
from pullwright.agents.llm.profile import PROFILES
from pullwright.agents.llm.recipes import SERVERS, Fp8Support, Recipe, fp8_support, recipe

VLLM = {
    "--tensor-parallel-size",
    "--tokenizer-mode",
    "--config-format",
    "--load-format",
    "--enable-auto-tool-choice",
    "--tool-call-parser",
    "--reasoning-parser",
    "--max-model-len",
    "--gpu-memory-utilization",
    "--max-num-batched-tokens",
    "--max-num-seqs",
    "--limit-mm-per-prompt",
    "--enable-prompt-tokens-details",
    "--max-num-queued-reqs",
    "--sse-keep-alive-interval",
    "--speculative-config",
}
REQUIRED = {
    "vllm": VLLM,
    "nim": VLLM | {"nim-serve", "NIM_MODEL_PATH=hf://mistralai/Mistral-Medium-3.5-128B"},
    "sglang": {
        "--tp-size",
        "--tool-call-parser",
        "--reasoning-parser",
        "--context-length",
        "--mem-fraction-static",
        "--enable-metrics",
        "--enable-cache-report",
        "--max-queued-requests",
        "--speculative-algorithm",
        "--speculative-draft-model-path",
        "--speculative-num-steps",
        "--speculative-eagle-topk",
        "--speculative-num-draft-tokens",
    },
    "llamacpp": {"-hf", "-c", "-np", "-ngl", "--jinja", "--metrics", "--slots"},
    "ollama": {"OLLAMA_CONTEXT_LENGTH", "OLLAMA_NUM_PARALLEL", "OLLAMA_MAX_QUEUE", "ollama", "serve"},
}
EIGHT_BIT = {
    "vllm": "--kv-cache-dtype",
    "nim": "--kv-cache-dtype",
    "sglang": "--kv-cache-dtype",
    "llamacpp": "--cache-type-k",
    "ollama": "OLLAMA_KV_CACHE_TYPE",
}


def made(
    server: str,
    gpus: str = "4xH100-80",
    *,
    agents: int | None = None,
    kv: KvCache = KvCache.BF16,
    weights: str = "",
) -> Recipe:
    return recipe(server, Wish(gpus=parse_gpus(gpus), agents=agents, kv=kv, weights=weights))


@given(
    st.sampled_from(SERVERS),
    st.builds(
        Wish,
        gpus=st.builds(Gpus, count=st.integers(1, 9), name=st.just("H200"), gb=st.integers(40, 300)),
        window=st.none() | st.integers(20_000, 262_144),
        agents=st.none() | st.integers(1, 40),
        kv=st.sampled_from(KvCache),
    ),
)
def test_every_command_is_a_command_and_has_each_flag_once(server: str, wish: Wish) -> None:
    try:
        found = recipe(server, wish)
    except ConfigError:
        return
    words = shlex.split(found.command.replace("\\\n", ""))
    assert words == list(found.words)
    names = [word if word.startswith("NIM_") else word.split("=")[0] for word in words]
    required = REQUIRED[server] | ({EIGHT_BIT[server]} if wish.kv is KvCache.FP8 else set())
    assert {name: names.count(name) for name in required} == dict.fromkeys(required, 1)
    flags = [name for name in names if name.startswith("--")]
    assert len(flags) == len(set(flags))
    assert (EIGHT_BIT[server] in names) == (wish.kv is KvCache.FP8)
    for word in words:
        if word.startswith("{"):
            assert json.loads(word)


@pytest.mark.parametrize("server", SERVERS)
def test_a_shell_reads_the_same_words(server: str) -> None:
    found = made(server, kv=KvCache.FP8)
    script = f"NIM_IMAGE='$NIM_IMAGE'; printf '%s\\0' {found.command}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert tuple(done.stdout.split("\0")[:-1]) == found.words


@pytest.mark.parametrize("server", SERVERS)
def test_a_recipe_names_a_profile_what_is_read_and_where_sources_differ(server: str) -> None:
    found = made(server)
    assert found.profile in PROFILES
    assert found.reads
    assert all(note.follow and note.why for note in found.notes)
    assert {"reasoning effort", "balancing", "access"} <= {note.topic for note in found.notes}


def test_the_draft_head_is_used_where_the_server_can_load_it() -> None:
    using = {server for server in SERVERS if "Mistral-Medium-3.5-128B-EAGLE" in made(server).command}
    assert using == {"vllm", "sglang", "nim"}
    assert {server for server in SERVERS if made(server).watch} == using


def test_the_servers_package_is_pinned_below_the_release_that_breaks_its_tool_parser() -> None:
    (command,) = made("vllm").prepare
    assert "mistral_common>=1.11.6,<1.13" in shlex.split(command)


def test_the_queue_holds_running_requests_too() -> None:
    words = made("vllm", agents=6).words
    assert int(words[words.index("--max-num-queued-reqs") + 1]) > 6


@pytest.mark.parametrize("agents", [1, 3])
def test_slots_are_as_long_as_the_window(agents: int) -> None:
    found = made("llamacpp", agents=agents)
    words = found.words
    assert words[words.index("-np") + 1] == str(agents)
    assert words[words.index("-c") + 1] == str(agents * found.capacity.window)


def test_weights_can_be_chosen_for_llama_cpp() -> None:
    assert "unsloth/Mistral-Medium-3.5-128B-GGUF:Q8_0" in made("llamacpp", weights="q8").words
    with pytest.raises(ConfigError, match="llamacpp --weights q8"):
        made("ollama", weights="q8")


@pytest.mark.parametrize(
    ("name", "support"),
    [
        ("H100", Fp8Support.NATIVE),
        ("H100-SXM5", Fp8Support.NATIVE),
        ("H200", Fp8Support.NATIVE),
        ("L40S", Fp8Support.NATIVE),
        ("B200", Fp8Support.NATIVE),
        ("MI300X", Fp8Support.NATIVE),
        ("RTX6000", Fp8Support.NATIVE),
        ("RTX-PRO-6000", Fp8Support.NATIVE),
        ("A100", Fp8Support.WEIGHTS_ONLY),
        ("A10G", Fp8Support.WEIGHTS_ONLY),
        ("RTX3090", Fp8Support.WEIGHTS_ONLY),
        ("V100", Fp8Support.NONE),
        ("MI250X", Fp8Support.NONE),
        ("Z9000", Fp8Support.UNKNOWN),
    ],
)
def test_what_gpus_do_with_fp8(name: str, support: Fp8Support) -> None:
    assert fp8_support(name) is support


def test_gpus_without_fp8_are_told_of() -> None:
    assert re.search("Marlin", made("vllm", "8xA100-80").notes[0].why)
    assert "not known" in made("vllm", "8xZ9000-80").notes[0].why
    assert "ROCm" in made("vllm", "8xMI300X-192").notes[0].follow
    for found in (made("vllm"), made("llamacpp", "8xV100-32")):
        assert not [note for note in found.notes if note.topic.startswith("FP8 on")]


@pytest.mark.parametrize(
    ("server", "gpus", "says"),
    [
        ("vllm", "8xV100-32", "what fits: llamacpp or ollama"),
        ("nim", "8xMI300X-192", "what fits: vllm or sglang"),
        ("tensorrt", "8xH100-80", "there is one for vllm, sglang, ollama, llamacpp, nim"),
    ],
)
def test_a_server_that_can_not_run_there_is_one_line(server: str, gpus: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        made(server, gpus)
    assert says in str(caught.value)
