"""What has to be right before issues of Linear become tasks: one line for each thing, with what to do about it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from pullwright.agents.errors import IntegrationError
from pullwright.agents.finding import Finding, Mark
from pullwright.integrations.linear.answers import TeamStates
from pullwright.integrations.linear.api import LinearApi
from pullwright.integrations.linear.meanings import BotIdentity
from pullwright.integrations.linear.repository_choice import RepositoryRule
from pullwright.integrations.linear.requested_work import WorkTerms
from pullwright.integrations.linear.settings import USER_VARIABLE

_HOOK: Final = "Linear, webhook"
_NEEDED: Final = "for issues and comments"


async def check_setup(
    api: LinearApi, bot: BotIdentity, terms: WorkTerms, rules: Sequence[RepositoryRule], *, secrets: int, address: str
) -> Sequence[Finding]:
    """Look at everything; nothing is changed.

    Args:
        api: For the questions.
        bot: Who we are there; without an id when nobody has set it.
        terms: Where issues are put.
        rules: Which repository an issue is about.
        secrets: How many webhook secrets are configured.
        address: Where hooks arrive from outside; empty where nothing reaches in.
    """
    try:
        viewer = await api.viewer()
    except IntegrationError as exc:
        return [Finding(name="Linear, token", mark=Mark.MISSING, text=str(exc)), *_hook(secrets, address)]
    found = [Finding(name="Linear, token", mark=Mark.OK, text=f"it is of {viewer.name or viewer.id}")]
    if viewer.id != bot.user:
        text = f"the token is of {viewer.name!r}; set {USER_VARIABLE}={viewer.id}"
        found.append(Finding(name="Linear, account", mark=Mark.MISSING, text=text))
    if bot.name.casefold() != viewer.display_name.casefold():
        text = f"people mention it as @{viewer.display_name}; set AGENT_LINEAR_USER_NAME to that, or only commands work"
        found.append(Finding(name="Linear, mentions", mark=Mark.WARN, text=text))
    return [*found, *await _workspace(api, bot, terms), *_repositories(rules), *_hook(secrets, address)]


async def _workspace(api: LinearApi, bot: BotIdentity, terms: WorkTerms) -> list[Finding]:
    try:
        teams = [team for team in await api.teams() if not bot.teams or team.key.upper() in bot.teams]
        labelled = await api.has_label(bot.label)
    except IntegrationError as exc:
        return [Finding(name="Linear, teams", mark=Mark.MISSING, text=str(exc))]
    found = list(_teams(teams, bot))
    if not labelled:
        text = f"there is no label {bot.label!r}; make it, or work is asked for in other ways only"
        found.append(Finding(name="Linear, label", mark=Mark.WARN, text=text))
    for team in teams:
        found += _states(team, terms)
    return found


def _teams(teams: Sequence[TeamStates], bot: BotIdentity) -> Iterator[Finding]:
    seen = {team.key.upper() for team in teams}
    if unseen := sorted(bot.teams - seen):
        text = f"the account does not see {', '.join(unseen)}; correct the key, or add it to the team"
        yield Finding(name="Linear, teams", mark=Mark.MISSING, text=text)
    elif not teams:
        yield Finding(name="Linear, teams", mark=Mark.MISSING, text="the account sees no team; add it to one")
    else:
        yield Finding(name="Linear, teams", mark=Mark.OK, text=", ".join(sorted(seen)))


def _states(team: TeamStates, terms: WorkTerms) -> Iterator[Finding]:
    there = {state.name.casefold() for state in team.states.nodes}
    wanted = (("work", terms.in_progress or ()), ("review", terms.review), ("the end", terms.done))
    for what, names in wanted:
        if names and not any(name.strip().casefold() in there for name in names):
            text = f"{team.key} has no state {' or '.join(names)} for {what}; its issues stay where they are then"
            yield Finding(name="Linear, states", mark=Mark.WARN, text=text)


def _repositories(rules: Sequence[RepositoryRule]) -> Iterator[Finding]:
    shown = ", ".join(sorted({rule.repository for rule in rules}))
    if shown:
        yield Finding(name="Linear, repositories", mark=Mark.OK, text=shown)
    else:
        text = "no repository is named; list them in linear_repositories"
        yield Finding(name="Linear, repositories", mark=Mark.MISSING, text=text)


def _hook(secrets: int, address: str) -> Iterator[Finding]:
    if not secrets:
        text = "there is no webhook secret, so issues are only found by asking now and then"
        yield Finding(name=_HOOK, mark=Mark.WARN, text=text)
    elif not address:
        yield Finding(name=_HOOK, mark=Mark.WARN, text="nobody said where hooks arrive; give the address with --url")
    else:
        yield Finding(name=_HOOK, mark=Mark.OK, text=f"have it sent to {address}, {_NEEDED}")
