"""As whom we act at one GitHub: an App, a user by a token, or nobody. No PyGithub before it is needed."""

from __future__ import annotations

from pathlib import Path

from pullwright.agents.errors import ConfigError
from pullwright.integrations.github.credentials import Credentials, FixedToken
from pullwright.integrations.github.settings import APP_KEY_FILE_VARIABLE, GitHubSettings
from pullwright.integrations.github.tuning import GitHubTuning

_KEY_BYTES = 65_536


def sign_in(settings: GitHubSettings, tuning: GitHubTuning | None = None) -> Credentials:
    """Return what gives tokens: the App where there is a key, else the token. Reads a file, so it runs on a thread.

    Raises:
        ConfigError: The key can not be read, or is none.
    """
    if not settings.is_app:
        return FixedToken(settings.token)
    from pullwright.integrations.github.app_auth import AppCredentials, AppKey

    key = AppKey(app_id=settings.app_id, private_key=settings.app_key or _read(settings.app_key_file))
    return AppCredentials(key, settings, tuning)


def _read(file: Path | None) -> str:
    try:
        return file.read_text(encoding="ascii")[:_KEY_BYTES] if file else ""
    except (OSError, UnicodeDecodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else "it is no text"
        raise ConfigError(f"{APP_KEY_FILE_VARIABLE} names {str(file)!r}, which can not be read: {reason}") from None
