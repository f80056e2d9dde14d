# Two commands are enough: `make demo` and `make test`. Each does its own set-up.
.PHONY: demo demo-bot demo-jira demo-sentry test check format chaos test-servers bench lock setup setup-test engine clean

PY := .venv/bin/python

demo: setup engine        ## set up, then watch a task become a pull request
	@PATH="$(CURDIR)/.venv/bin:$$PATH" $(PY) -P examples/demo/demo.py

demo-bot: setup engine    ## set up, then watch the GitHub bot: from a label to a merged pull request, at a rehearsed GitHub
	@PATH="$(CURDIR)/.venv/bin:$$PATH" $(PY) -m examples.github_bot.bot

demo-jira: setup engine   ## set up, then watch a ticket become a pull request, at a rehearsed Jira
	@PATH="$(CURDIR)/.venv/bin:$$PATH" $(PY) -m examples.jira_ticket_trigger.ticket

demo-sentry: setup engine ## set up, then watch an alert become a fix with its test, at a rehearsed Sentry
	@PATH="$(CURDIR)/.venv/bin:$$PATH" $(PY) -m examples.sentry_autofix.alert

test: setup-test engine   ## set up, then everything that can be tested on one machine
	@scripts/check static
	@AGENT_EXAMPLES=$${AGENT_EXAMPLES:-40} $(PY) -m pytest -n auto --dist loadscope --durations=20

# One process more than there are cores: some tests wait.
check: setup-test         ## format, lint, types, architecture, unit tests; under a minute
	@scripts/check static
	@$(PY) -m pytest -q -n $$(($$(nproc) + 1)) --dist worksteal tests/unit tests/contract tests/test_architecture.py -m "not docker"

chaos: setup-test engine  ## an hour of kill -9 on workers, containers and PostgreSQL; prints the seed, AGENT_CHAOS_SEED repeats it
	@AGENT_CHAOS_HITS=$${AGENT_CHAOS_HITS:-1000} AGENT_CHAOS_GONE_SECONDS=$${AGENT_CHAOS_GONE_SECONDS:-60} \
		$(PY) -m pytest -q -s -p no:randomly tests/chaos

test-servers: setup-test engine  ## the end-to-end path against a real vLLM and a real llama-server (several GB)
	@scripts/model-servers/test-servers

bench: setup-test engine  ## print what a step, a call, a sandbox and a pool of endpoints cost, next to plain ways
	@$(PY) tests/benchmarks/step_cost.py
	@$(PY) tests/benchmarks/call_cost.py
	@$(PY) tests/benchmarks/pool_simulation.py
	@$(PY) -m tests.benchmarks.sandbox_cost
	@$(PY) -m tests.benchmarks.queue_cost

format: setup-test        ## put the sources in shape
	@.venv/bin/ruff check --fix --quiet . || true
	@.venv/bin/ruff format --quiet .

lock: setup-test          ## write requirements/*.lock anew
	@scripts/lock

setup:
	@scripts/setup run

setup-test:
	@scripts/setup test

engine:
	@scripts/engine

clean:                    ## remove everything that was set up in this folder
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
