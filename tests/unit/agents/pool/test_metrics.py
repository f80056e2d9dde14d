from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pullwright.agents.pool.load import Load
from pullwright.agents.pool.metrics import read_metrics

VLLM = """\
# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="medium"} 3.0
vllm:num_requests_waiting{engine="0",model_name="medium"} 2.0
vllm:num_requests_waiting_by_reason{engine="0",reason="capacity"} 2.0
vllm:kv_cache_usage_perc{engine="0",model_name="medium"} 0.25
# TYPE vllm:num_preemptions counter
vllm:num_preemptions_total{engine="0",model_name="medium"} 7.0
vllm:num_preemptions_created{engine="0",model_name="medium"} 1.7e+09
vllm:cache_config_info{block_size="16",engine="0",num_gpu_blocks="1000"} 1.0
vllm:time_to_first_token_seconds_bucket{engine="0",le="0.001"} 0.0
"""
SGLANG = """\
sglang:num_running_reqs{model_name="medium"} 4
sglang:num_queue_reqs{model_name="medium"} 0
sglang:token_usage{model_name="medium"} 0.5
sglang:kv_used_tokens{model_name="medium"} 600
sglang:kv_available_tokens{model_name="medium"} 400
sglang:num_retracted_reqs{model_name="medium"} 1
"""
LLAMACPP = "llamacpp:requests_processing 1\nllamacpp:requests_deferred 5\n"


def test_vllm_is_read() -> None:
    assert read_metrics(VLLM) == Load(running=3, waiting=2, kv_share=0.25, kv_tokens=16_000, preemptions=7)


def test_sglang_is_read() -> None:
    assert read_metrics(SGLANG) == Load(running=4, waiting=0, kv_share=0.5, kv_tokens=1000, preemptions=1)


def test_llamacpp_is_read() -> None:
    assert read_metrics(LLAMACPP) == Load(running=1, waiting=5)


def test_counters_are_read_with_and_without_the_suffix_of_an_exporter() -> None:
    assert read_metrics(VLLM.replace("_preemptions_total", "_preemptions")) == read_metrics(VLLM)


def test_engines_behind_one_address_are_added_and_the_fullest_one_counts() -> None:
    load = read_metrics(VLLM + VLLM.replace('engine="0"', 'engine="1"').replace("0.25", "0.75"))
    assert load == Load(running=6, waiting=4, kv_share=0.75, kv_tokens=32_000, preemptions=14)


@pytest.mark.parametrize("text", ["", "<html>502</html>", "python_gc_objects_total 3\n", "vllm:num_requests_running"])
def test_text_without_a_known_name_is_no_load(text: str) -> None:
    assert read_metrics(text) is None


@pytest.mark.parametrize("value", ["NaN", "+Inf", "-1", "many", "1e999", ""])
def test_a_line_that_can_not_be_believed_is_passed_by(value: str) -> None:
    assert read_metrics(f"vllm:num_requests_waiting {value}\n" + LLAMACPP) == Load(running=1, waiting=5)


def test_numbers_from_the_other_side_are_bounded() -> None:
    blocks = 'vllm:cache_config_info{num_gpu_blocks="99999999999",block_size="99999999999"} 1\n'
    load = read_metrics("vllm:num_requests_running 1e300\nvllm:kv_cache_usage_perc 55\n" + blocks)
    assert load == Load(running=2**53, kv_share=1.0, kv_tokens=2**53)


NAMES = ["vllm:num_requests_running", "sglang:token_usage", "vllm:cache_config_info", "llamacpp:requests_deferred"]


@given(st.lists(st.tuples(st.sampled_from([*NAMES, ""]), st.text(max_size=40))))
def test_any_text_is_read_without_an_error(lines: list[tuple[str, str]]) -> None:
    load = read_metrics("\n".join(name + rest for name, rest in lines))
    assert load is None or (load.running >= 0 and load.waiting >= 0 and 0 <= (load.kv_share or 0) <= 1)
