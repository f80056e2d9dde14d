"""Settings: read once from the environment and ``pullwright.toml``, then frozen.

Later sources win: built-in value, the user's ``pullwright.toml``, the working folder's ``pullwright.toml``, ``AGENT_*``
variables, command line.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

from pydantic import BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, SettingsError

from pullwright.agents.budget import DayLimits, Limit, Scope
from pullwright.agents.egress import EgressMode
from pullwright.agents.errors import ConfigError
from pullwright.agents.ports.model import ReasoningEffort
from pullwright.cli.generic_settings import GENERIC_TRUSTED_ONLY, GenericFields
from pullwright.cli.jira_settings import JIRA_TRUSTED_ONLY, JiraFields
from pullwright.cli.linear_settings import LINEAR_TRUSTED_ONLY, LinearFields
from pullwright.cli.notify_settings import NOTIFY_TRUSTED_ONLY, NotifyFields
from pullwright.cli.sentry_settings import SENTRY_TRUSTED_ONLY, SentryFields
from pullwright.cli.settings_tables import EndpointTable, ProfileName, ScheduleTable
from pullwright.cli.speech import keep_quiet_about

FILE_NAME = "pullwright.toml"

TRUSTED_ONLY = frozenset(
    {
        "home",
        "database_url",
        "worker_name",
        "api_token",
        "slots",
        "max_losses",
        "endpoint_url",
        "endpoint_key",
        "endpoint_profile",
        "endpoints",
        "tokenizer_file",
        "log_prompts",
        "price_input",
        "price_output",
        "price_cached_input",
        "gpus",
        "gpu_hour_price",
        "github_token",
        "github_api_url",
        "github_webhook_secrets",
        "github_connection",
        "github_bot_login",
        "github_bot_id",
        "github_app_id",
        "github_app_private_key",
        "github_app_private_key_file",
        "github_label",
        "github_new_issues",
        "github_repositories",
        "github_ready_when_green",
        "github_settle_seconds",
        "github_tasks_per_hour",
        "github_users",
        "github_teams",
        "github_denied_users",
        "github_allowed_apps",
        "webhook_max_mb",
        "egress",
        "egress_hosts",
        "open_egress",
        "dockerfile_builds",
        "allow_paths",
        "sandbox_image",
        "sandbox_runtime",
        "sandbox_disk_mb",
        "schedules",
        *GENERIC_TRUSTED_ONLY,
        *JIRA_TRUSTED_ONLY,
        *LINEAR_TRUSTED_ONLY,
        *NOTIFY_TRUSTED_ONLY,
        *SENTRY_TRUSTED_ONLY,
        *(f"{scope}{limit}" for scope in (Scope.REPOSITORY_DAY, Scope.DAY) for limit in Limit),
    }
)
"""Keys that a file inside a checkout may not set: it may have come with the repository, and they would redirect
secrets, make the sandbox weaker, falsify what a run is said to cost, or spend what others wanted to keep."""

_ONE_ENDPOINT = ("endpoint_url", "endpoint_key", "endpoint_profile")
"""What describes the only endpoint; several stand in ``endpoints``."""


def _effort(word: Any) -> Any:
    """Map other products' words to the two efforts that the model knows."""
    words = {"off": "none", "minimal": "none", "low": "none", "medium": "high", "xhigh": "high", "max": "high"}
    return words.get(word.lower(), word.lower()) if isinstance(word, str) else word


Dollars = Annotated[Decimal, Field(ge=0, allow_inf_nan=False)]


class Settings(GenericFields, JiraFields, LinearFields, NotifyFields, SentryFields, BaseSettings):
    """Every setting, with its meaning; the same names in upper case after ``AGENT_`` are the variables."""

    model_config: ClassVar[SettingsConfigDict] = SettingsConfigDict(
        env_prefix="AGENT_", frozen=True, extra="forbid", env_ignore_empty=True
    )

    home: Path = Field(default_factory=lambda: _data_home() / "pullwright")
    """Folder of the database, mirrors, patches and logs."""
    database_url: str = ""
    """The store: ``postgresql://USER@HOST/NAME`` for many hosts; empty for a SQLite file in ``home``."""
    worker_name: str = Field(default="", max_length=120)
    """What ``agent workers`` calls this host's workers; empty for the host's name."""
    slots: int = Field(default=0, ge=0, le=1000)
    """Runs that one worker has in hand at once; 0 for as many as memory and cores of this host allow."""
    max_losses: int = Field(default=3, ge=1)
    """How many workers in a row may die over a run that does not get on, before it fails: more where hosts go away at
    any time (spot instances)."""
    may_ask: bool | None = None
    """Whether a run may wait for an answer; unset, it may at a terminal and when it is detached."""
    api_token: SecretStr = SecretStr("")
    """What clients of ``agent serve`` have to show: at least 16 characters that nobody can guess."""
    endpoint_url: str = ""
    """Base URL of the OpenAI-compatible endpoint, with its ``/v1``."""
    endpoint_profile: ProfileName = "vllm"
    """Which server is behind the endpoint."""
    endpoint_key: SecretStr = SecretStr("")
    """Key of the endpoint, if it asks for one."""
    model: str = ""
    """The model's name as the endpoint knows it; empty for the only one it serves."""
    endpoints: tuple[EndpointTable, ...] = ()
    """Several endpoints that serve the same model, in the place of ``endpoint_url``, its key and its profile."""
    tokenizer_file: Path | None = None
    """The model's own ``tekken.json``, for exact token counts without asking a server; needs mistral-common."""
    log_prompts: bool = False
    """Whether logs may hold prompts and replies."""
    price_input: Dollars | None = None
    """Dollars per million prompt tokens; together with ``price_output``. Without them, Mistral's own API has its list
    price and other endpoints have none."""
    price_output: Dollars | None = None
    """Dollars per million completion tokens."""
    price_cached_input: Dollars | None = None
    """Dollars per million prompt tokens that were in the prefix cache; the price of the others if it is not set."""
    gpus: int = Field(default=0, ge=0)
    """GPUs that serve one copy of the model on one's own machines; 0 where nobody wants to know."""
    gpu_hour_price: Dollars | None = None
    """Dollars per GPU-hour."""
    reasoning_effort: Annotated[ReasoningEffort, BeforeValidator(_effort)] = ReasoningEffort.HIGH
    github_token: SecretStr = SecretStr("")
    """Fine-grained token with contents and pull requests (write) and issues (read)."""
    github_api_url: str = "https://api.github.com"
    """``https://HOST/api/v3`` for GitHub Enterprise Server."""
    github_webhook_secrets: tuple[SecretStr, ...] = ()
    """Secrets of GitHub's webhooks, two while one replaces the other; without any, no webhook is let in."""
    github_connection: str = Field(default="main", pattern=r"^[A-Za-z0-9_-]{1,64}$")
    """The end of the address of GitHub's webhooks: ``/webhooks/github/main``."""
    github_bot_login: str = Field(default="", max_length=100)
    """Who the bot is on GitHub: ``slug[bot]`` of an App, or the login of a machine user."""
    github_bot_id: int = Field(default=0, ge=0)
    """The bot's user id, so that it never answers itself."""
    github_app_id: int = Field(default=0, ge=0)
    """The id of the App, if it is one."""
    github_app_private_key: SecretStr = SecretStr("")
    """The App's private key (PEM): with it tokens are made for each repository and step, and the token is not used."""
    github_app_private_key_file: Path | None = None
    """The file that holds it, if not the setting."""
    github_label: str = Field(default="agent", min_length=1, max_length=100)
    """The label that asks for work."""
    github_new_issues: bool = False
    """Whether a mention in the text of a new issue asks for work."""
    github_repositories: tuple[
        Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,100}/[A-Za-z0-9_.-]{1,100}$")], ...
    ] = ()
    """Repositories (``owner/name``) that are looked at for what no hook told; empty for all where the App is."""
    github_ready_when_green: bool = True
    """Whether a draft of the bot is marked as ready for review when its checks pass."""
    github_settle_seconds: float = Field(default=60, ge=0, le=3600)
    """How long the news of a commit's checks are gathered before they are looked at."""
    github_tasks_per_hour: int = Field(default=12, ge=1)
    """How many tasks one issue or pull request can become within an hour."""
    github_users: tuple[str, ...] = ()
    """When given, only these may ask for work, and only if they may write to the repository."""
    github_teams: tuple[str, ...] = ()
    """Teams (``organization/team``) whose members may, too; as above."""
    github_denied_users: tuple[str, ...] = ()
    """Who may never ask for work."""
    github_allowed_apps: tuple[str, ...] = ()
    """Apps that may ask for work; their rights are not looked up."""
    webhook_max_mb: int = Field(default=25, ge=1, le=100)
    """Largest delivery that is read."""
    checks: tuple[str, ...] = ()
    """Commands that decide whether a change is good, unless ``--check`` names others."""
    max_steps: int = Field(default=100, ge=1)
    max_minutes: float = Field(default=60.0, gt=0)
    max_tokens: int = Field(default=20_000_000, ge=1)
    """Prompt and completion tokens of one run, cached ones included."""
    max_fresh_tokens: int = Field(default=0, ge=0)
    """The same without prompt tokens that the server had in its cache; 0 for no limit."""
    max_cost: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    """Dollars of one run, where its model has a price; 0 for no limit."""
    repository_day_steps: int = Field(default=0, ge=0)
    """Model replies that all runs of one repository may take on one day (UTC); 0 for no limit, as for all of these."""
    repository_day_tokens: int = Field(default=0, ge=0)
    """Prompt and completion tokens of the same, cached ones included."""
    repository_day_fresh_tokens: int = Field(default=0, ge=0)
    """The same without prompt tokens that the server had in its cache."""
    repository_day_money: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    """Dollars of the same, where models have a price."""
    repository_day_minutes: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    """Minutes of running time of the same, added up over runs."""
    day_steps: int = Field(default=0, ge=0)
    """As ``repository_day_steps``, but for all repositories together; and so on."""
    day_tokens: int = Field(default=0, ge=0)
    day_fresh_tokens: int = Field(default=0, ge=0)
    day_money: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    day_minutes: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    check_minutes: float = Field(default=10.0, gt=0)
    """Most minutes that one check may take."""
    sandbox_image: str = ""
    """Image for repositories that name none; empty for the one that ``agent sandbox build`` makes."""
    sandbox_runtime: str = ""
    """Runtime of the engine to use (``runsc`` for gVisor); empty for the engine's own."""
    sandbox_memory_mb: int = Field(default=4096, ge=256)
    sandbox_cpus: float = Field(default=2.0, gt=0)
    sandbox_disk_mb: int = Field(default=10_240, ge=64)
    """What one sandbox may write."""
    egress: EgressMode = EgressMode.PACKAGES
    """What sandboxes may reach where the repository says nothing: ``none``, ``packages``, ``allowlist`` or ``open``."""
    egress_hosts: tuple[str, ...] = ()
    """Exact host names of the mode ``allowlist``."""
    open_egress: bool = False
    """Whether a repository may ask for ``open``."""
    dockerfile_builds: bool = False
    """Whether a repository may have its image built from its own Dockerfile, by the engine, with its network."""
    schedules: tuple[ScheduleTable, ...] = ()
    """Tasks that workers file again and again."""
    allow_paths: tuple[str, ...] = ()
    """Patterns of protected paths that changes may touch, in every repository."""

    @property
    def store_url(self) -> str:
        """URL of the store."""
        return self.database_url or f"sqlite:///{self.home.expanduser().resolve() / 'pullwright.db'}"

    @property
    def day_limits(self) -> DayLimits:
        """What runs may spend on a day."""
        return DayLimits(repository=self._limits(Scope.REPOSITORY_DAY), everything=self._limits(Scope.DAY))

    def _limits(self, scope: Scope) -> Mapping[Limit, float]:
        found = {limit: float(getattr(self, f"{scope}{limit}")) for limit in Limit}
        return {limit: most for limit, most in found.items() if most}

    def each_endpoint(self) -> Mapping[str, Self]:
        """Return settings for each configured endpoint alone, by its name, which is empty for the single one."""
        if not self.endpoints:
            return {"": self} if self.endpoint_url else {}
        return {table.name: self._only(table) for table in self.endpoints}

    def _only(self, table: EndpointTable) -> Self:
        one = {
            "endpoints": (),
            "endpoint_url": table.url,
            "endpoint_key": table.key,
            "endpoint_profile": table.profile,
            "model": table.model or self.model,
        }
        return self.model_copy(update=one)

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every key and token; none of them may be in what leaves this process."""
        keys = (table.key for table in self.endpoints)
        single = (self.github_token, self.github_app_private_key, self.endpoint_key, self.api_token)
        held = (*single, *keys, *self.github_webhook_secrets)
        own = filter(None, (secret.get_secret_value() for secret in held))
        trackers = (*self.jira_secrets, *self.linear_secrets, *self.sentry_secrets)
        return (*own, *self.generic_secrets, *self.notify_secrets, *trackers)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Let the environment win over what the files gave (which arrives as keyword arguments)."""
        return env_settings, init_settings


def user_file() -> Path:
    """Return where a user's own settings are."""
    return _config_home() / "pullwright" / FILE_NAME


def load_settings(folder: Path) -> Settings:
    """Read all sources; ``folder`` is the working folder.

    Raises:
        ConfigError: A file can not be read, or a value is wrong; names the key.
    """
    values: dict[str, Any] = {}
    values.update(_read(_config_home() / "pullwright" / FILE_NAME))
    values.update(_read_working(folder))
    try:
        settings = Settings(**values)
    except ValidationError as exc:
        error = exc.errors(include_url=False, include_input=False)[0]
        key, *inside = (str(part) for part in error["loc"] or ("?",))
        place = f" at {'.'.join(inside)}" if inside else ""
        raise ConfigError(f"setting {key!r} (AGENT_{key.upper()}){place}: {error['msg']}") from None
    except SettingsError as exc:  # its cause holds the whole value, and there may be keys in it
        raise ConfigError(f"a list among the AGENT_* variables is no JSON: {exc}") from None
    _check_together(settings)
    keep_quiet_about(settings.secrets)
    return settings


def _check_together(settings: Settings) -> None:
    """Check what only several settings together can get wrong."""
    names = [table.name for table in settings.endpoints]
    for what, given in (("endpoints", names), ("schedules", [table.name for table in settings.schedules])):
        if doubled := next((name for name in given if given.count(name) > 1), None):
            raise ConfigError(f"two {what} are named {doubled!r}; give each a name of its own")
    single = [key for key in _ONE_ENDPOINT if key in settings.model_fields_set]
    if names and single:
        raise ConfigError(
            f"both 'endpoints' and {single[0]!r} are set; drop {single[0]!r} (AGENT_{single[0].upper()}) to use the "
            f"{len(names)} in 'endpoints', or drop 'endpoints' (AGENT_ENDPOINTS) to use the single one"
        )
    if (settings.price_input is None) != (settings.price_output is None):
        raise ConfigError("price_input and price_output go together; set both, or neither")
    if settings.price_cached_input is not None and settings.price_input is None:
        raise ConfigError("price_cached_input needs price_input and price_output; set all of them")
    if settings.gpu_hour_price is not None and not settings.gpus:
        raise ConfigError("gpu_hour_price needs gpus, the number of GPUs that serve one copy of the model")


def _read_working(folder: Path) -> Mapping[str, Any]:
    values = _read(folder / FILE_NAME)
    refused = sorted(TRUSTED_ONLY & values.keys())
    if refused and _inside_checkout(folder):
        raise ConfigError(
            f"{FILE_NAME} in a checkout may not set {refused[0]!r} (it could have come with the repository); "
            f"move it to {_config_home() / 'pullwright' / FILE_NAME} or set AGENT_{refused[0].upper()}"
        )
    return values


def _read(path: Path) -> dict[str, Any]:
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as exc:
        raise ConfigError(f"settings file {str(path)!r} can not be read: {exc}") from exc
    return {key.lower().removeprefix("agent_"): value for key, value in data.items()}


def _inside_checkout(folder: Path) -> bool:
    return any((parent / ".git").exists() for parent in (folder, *folder.parents))


def _data_home() -> Path:
    return _xdg("XDG_DATA_HOME", ".local/share")


def _config_home() -> Path:
    return _xdg("XDG_CONFIG_HOME", ".config")


def _xdg(variable: str, default: str) -> Path:

    value = os.environ.get(variable, "")
    return Path(value) if Path(value).is_absolute() else Path.home() / default
