"""Tables within the settings: things of which there may be several."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

ProfileName = Literal["vllm", "sglang", "llamacpp", "ollama", "nim-vllm", "nim-sglang", "mistral"]


class EndpointTable(BaseModel):
    """One of several endpoints: a table ``[[endpoints]]``, or an object in the list ``AGENT_ENDPOINTS``."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
    """Unique; runs are placed by it, so it should not change without need."""
    url: str = Field(pattern=r"^https?://")
    key: SecretStr = SecretStr("")
    profile: ProfileName = "vllm"
    model: str = ""
    """Empty for what ``model`` says."""
    kv_tokens: int = Field(default=0, ge=0)
    """Tokens that fit in its KV cache; 0 to believe what its metrics say."""


class ScheduleTable(BaseModel):
    """A task that is filed again and again: a table ``[[schedules]]``, or an object in ``AGENT_SCHEDULES``."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    name: str
    cron: str
    """Five fields, as for cron."""
    tz: str = "UTC"
    repo: str = Field(min_length=1)
    """Path or URL of the repository."""
    instruction: str = Field(min_length=1)
    base: str = ""
    checks: tuple[str, ...] = ()
    no_pr: bool = False
    priority: int = Field(default=0, ge=-1000, le=1000)
    overlap: Literal["skip", "queue", "replace"] = "skip"
    catch_up: str = "1h"
