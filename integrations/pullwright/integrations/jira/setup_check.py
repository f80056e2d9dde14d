"""Whether everything is in place for work from Jira: what ``agent jira setup`` says."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from pullwright.agents.errors import PullwrightError
from pullwright.integrations.jira.authority import AuthorityPolicy
from pullwright.integrations.jira.client import JiraClient, Session
from pullwright.integrations.jira.meanings import BotIdentity
from pullwright.integrations.jira.memberships import groups_of
from pullwright.integrations.jira.payloads import Loose, Part, StatusPart, Text, UserPart
from pullwright.integrations.jira.repository_choice import RepositoryRule
from pullwright.integrations.jira.requested_work import WorkTerms

NEEDED: Final = {
    "BROWSE_PROJECTS": "read tickets",
    "ADD_COMMENTS": "comment",
    "EDIT_OWN_COMMENTS": "keep its comment up to date",
    "TRANSITION_ISSUES": "move tickets",
    "LINK_ISSUES": "link pull requests",
}
TO_GIVE_BACK: Final = {"ASSIGN_ISSUES": "give a ticket back while a question waits"}
"""Permissions, and what the bot can not do without."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at."""

    about: str
    good: bool
    says: str
    """What is so; when it is not good, what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetupFacts:
    """What the settings say."""

    bot: BotIdentity
    terms: WorkTerms
    policy: AuthorityPolicy
    rules: Sequence[RepositoryRule]
    acceptance_field: str = ""
    repository_field: str = ""


class _Field(Part):
    id: Text = ""
    name: Text = ""


async def check_setup(client: JiraClient, facts: SetupFacts) -> Sequence[Finding]:
    """Look at everything; nothing is changed, and nothing is raised but for cancellation."""
    try:
        server = await client.facts()
    except PullwrightError as exc:
        return [Finding(about="Jira", good=False, says=str(exc))]
    kind = server.deployment or "Jira"
    found = [Finding(about="Jira", good=True, says=f"{client.settings.url} is {kind} {server.version}".strip())]
    for look in (_who, _permissions, _statuses, _fields, _groups, _roles, _search):
        try:
            found += await client.talk(partial(_listed, look, facts=facts))
        except PullwrightError as exc:
            found.append(Finding(about=look.__name__.strip("_"), good=False, says=str(exc)))
    return found


def overlap(facts: SetupFacts) -> Sequence[str]:
    """Return the statuses that the bot moves tickets to and that start work: a ticket would go round in circles."""
    own = (*facts.terms.in_progress, *facts.terms.review, *facts.terms.done)
    return [status for status in own if facts.bot.is_trigger_status(status)]


Look = Callable[[Session, SetupFacts], Iterator[Finding]]


def _listed(look: Look, session: Session, facts: SetupFacts) -> list[Finding]:
    return list(look(session, facts))


def _who(session: Session, facts: SetupFacts) -> Iterator[Finding]:
    me = session.get(UserPart, "myself", action="asking who the bot is")
    if me.account == facts.bot.account:
        if me.key and not me.account_id and me.key != facts.bot.key:
            says = f"its changelogs call the bot {me.key!r}; set AGENT_JIRA_ACCOUNT_KEY={me.key}"
            yield Finding(about="account", good=False, says=says)
        else:
            yield Finding(about="account", good=True, says=f"the token is of {me.display_name or me.account}")
        return
    says = f"the token is of {me.account!r} and not of {facts.bot.account!r}; set AGENT_JIRA_ACCOUNT={me.account}"
    yield Finding(about="account", good=False, says=says)


def _permissions(session: Session, facts: SetupFacts) -> Iterator[Finding]:
    needed = NEEDED | (TO_GIVE_BACK if facts.terms.give_back else {})
    for project in sorted(facts.bot.projects) or [""]:
        parameters: dict[str, str | int] = {"permissions": ",".join(needed)}
        if project:
            parameters["projectKey"] = project
        found = session.get(
            dict[str, dict[str, dict[str, object]]],
            "mypermissions",
            action="asking what the bot may do",
            parameters=parameters,
        ).get("permissions", {})
        lacking = [name for name in needed if not found.get(name, {}).get("havePermission")]
        where = f"in {project}" if project else "somewhere"
        yield _judged(
            f"permissions {where}",
            lacking,
            good="it may read, comment, move and link",
            bad=lambda names: f"give the bot {', '.join(names)}: it can not {', '.join(needed[n] for n in names)}",
        )


def _statuses(session: Session, facts: SetupFacts) -> Iterator[Finding]:
    known = session.get(list[StatusPart], "status", action="reading the statuses")
    names = {name.casefold() for one in known for name in one.names if name}
    terms = facts.terms
    for about, wanted in (("in progress", terms.in_progress), ("review", terms.review), ("done", terms.done)):
        if wanted and not any(status.casefold() in names for status in wanted):
            says = (
                f"no status is called {' or '.join(wanted)}; name one that there is, or nothing to leave tickets alone"
            )
            yield Finding(about=f"status for {about}", good=False, says=says)
    lacking = sorted(status for status in facts.bot.statuses if status not in names)
    own = {status.casefold() for status in (*terms.in_progress, *terms.review, *terms.done)}
    circular = [
        one.name
        for one in known
        if facts.bot.is_trigger_status(*one.names) and own & {name.casefold() for name in one.names if name}
    ]
    yield _judged(
        "trigger statuses",
        lacking,
        good="they are there, or none is set",
        bad=lambda missing: f"no status is called {', '.join(missing)}",
    )
    if circular:
        says = f"{', '.join(circular)} starts work, and the bot moves tickets there itself; use another status for one"
        yield Finding(about="statuses", good=False, says=says)


def _fields(session: Session, facts: SetupFacts) -> Iterator[Finding]:
    wanted = [facts.acceptance_field, facts.repository_field, *(rule.field for rule in facts.rules)]
    if not any(wanted):
        return
    known = session.get(list[_Field], "field", action="reading the fields")
    names = {one.name.casefold() for one in known} | {one.id.casefold() for one in known}
    lacking = sorted({field for field in wanted if field and field.casefold() not in names})
    yield _judged(
        "fields", lacking, good="they are there", bad=lambda missing: f"no field is called {', '.join(missing)}"
    )


def _groups(session: Session, facts: SetupFacts) -> Iterator[Finding]:
    if facts.policy.groups:
        groups_of(session, facts.bot.account)  # raises where the bot may not see who is in which group
        yield Finding(about="groups", good=True, says="it may see who is in which group")


def _roles(session: Session, facts: SetupFacts) -> Iterator[Finding]:
    if not facts.policy.roles:
        return
    for project in sorted(facts.bot.projects):
        found = session.get(dict[str, Loose], f"project/{project}/role", action=f"reading the roles of {project!r}")
        lacking = sorted(facts.policy.roles - {name.casefold() for name in found})
        yield _judged(
            f"roles in {project}", lacking, good="they are there", bad=lambda names: f"there is no {', '.join(names)}"
        )


def _search(session: Session, facts: SetupFacts) -> Iterator[Finding]:
    within = f"project in ({', '.join(sorted(facts.bot.projects))}) AND " if facts.bot.projects else ""
    session.search(dict[str, object], f'{within}updated >= "-1m"', ["summary"], action="trying the search", size=1)
    yield Finding(about="search", good=True, says="polling works")


def _judged(about: str, lacking: Iterable[str], *, good: str, bad: Callable[[list[str]], str]) -> Finding:
    missing = list(lacking)
    return Finding(about=about, good=not missing, says=bad(missing) if missing else good)
