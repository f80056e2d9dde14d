"""What an App asks about itself in the rehearsal's REST API, with a JWT that is really verified."""

from __future__ import annotations

import re
from collections.abc import Callable

from pullwright.integrations.testing.access import token_of
from pullwright.integrations.testing.app_acts import AppActs
from pullwright.integrations.testing.forge_parts import ForgeParts
from pullwright.integrations.testing.github_calls import ApiError, Call, not_found, page
from pullwright.integrations.testing.github_hooks import (
    change_config,
    config,
    find_delivery,
    full_delivery,
    list_deliveries,
)
from pullwright.integrations.testing.github_setup import converted
from pullwright.integrations.testing.hook_records import AppRecord, Installation
from pullwright.integrations.testing.web_server import Response, json_response

_MANIFEST = re.compile(r"/app-manifests/(?P<code>[^/]+)/conversions")
_FORM = "X-GitHub-Stateless-S2S-Token"
_AppEndpoint = Callable[[Call, AppRecord], Response]


def is_jwt(token: str) -> bool:
    """Whether a token is a JWT of an App rather than a token of a user or an installation."""
    return token.count(".") == 2 and token.startswith("eyJ")


class AppEndpoints:
    """Everything below ``/app``, and the installation of a repository."""

    def __init__(self, parts: ForgeParts, acts: AppActs) -> None:
        self._parts = parts
        self._acts = acts
        one = r"/app/installations/(?P<number>\d+)"
        delivery = r"/app/hook/deliveries/(?P<delivery>\d+)"
        table: tuple[tuple[str, str, _AppEndpoint], ...] = (
            ("GET", "/app", self._app),
            ("GET", "/app/installations", self._installations),
            ("GET", one, self._installation),
            ("POST", f"{one}/access_tokens", self._mint),
            ("GET", r"/repos/(?P<owner>[^/]+)/(?P<name>[^/]+)/installation", self._of_repository),
            ("GET", "/app/hook/config", self._hook_config),
            ("PATCH", "/app/hook/config", self._edit_hook),
            ("GET", "/app/hook/deliveries", self._deliveries),
            ("GET", delivery, self._delivery),
            ("POST", f"{delivery}/attempts", self._attempt),
        )
        self._table = tuple((method, re.compile(pattern), endpoint) for method, pattern, endpoint in table)

    def respond(self, call: Call, path: str) -> Response | None:
        """Answer what only an App may ask, or who makes one; None for every other address."""
        if call.request.method == "POST" and (made := _MANIFEST.fullmatch(path)):
            return converted(self._parts, self._acts.convert(made["code"]))
        for method, pattern, endpoint in self._table:
            found = pattern.fullmatch(path)
            if found is not None and method == call.request.method:
                token = token_of(call.request.headers) or ""
                if not is_jwt(token):
                    raise ApiError(401, "A JSON web token could not be decoded")
                app = self._acts.authenticate(token)
                return endpoint(Call(request=call.request, rights=None, match=found.groupdict()), app)
        return None

    def repositories(self, call: Call) -> Response:
        """Answer ``GET /installation/repositories``, which takes an installation's token."""
        rights = call.rights
        if rights is None or rights.installation_id is None:
            raise ApiError(403, "You must authenticate with an installation access token")
        found = [self._parts.documents.repository(r) for r in self._parts.state.repositories if rights.sees(r.slug)]
        return json_response({"total_count": len(found), "repositories": found})

    def _of(self, call: Call, app: AppRecord) -> Installation:
        for installation in self._parts.state.installations:
            if (installation.id, installation.app_id) == (call.number(), app.id):
                return installation
        raise not_found()

    def _app(self, call: Call, app: AppRecord) -> Response:
        count = sum(i.app_id == app.id for i in self._parts.state.installations)
        return json_response({**self._parts.documents.app(app), "installations_count": count})

    def _installations(self, call: Call, app: AppRecord) -> Response:
        found = [self._acts.installation(i) for i in self._parts.state.installations if i.app_id == app.id]
        return page(call, found, self._parts.documents.api)

    def _installation(self, call: Call, app: AppRecord) -> Response:
        return json_response(self._acts.installation(self._of(call, app)))

    def _mint(self, call: Call, app: AppRecord) -> Response:
        stateless = call.request.headers.get(_FORM, "enabled") != "disabled"
        return json_response(self._acts.mint(self._of(call, app), call.fields(), stateless=stateless), 201)

    def _of_repository(self, call: Call, app: AppRecord) -> Response:
        repository = self._parts.state.find(call.match["owner"], call.match["name"])
        found = [i for i in self._parts.state.installed(repository) if i.app_id == app.id] if repository else []
        if not found:
            raise not_found()
        return json_response(self._acts.installation(found[0]))

    def _hook_config(self, call: Call, app: AppRecord) -> Response:
        return json_response(config(app.hook))

    def _edit_hook(self, call: Call, app: AppRecord) -> Response:
        change_config(app.hook, call.fields())
        return json_response(config(app.hook))

    def _deliveries(self, call: Call, app: AppRecord) -> Response:
        return list_deliveries(self._parts, call, app.hook)

    def _delivery(self, call: Call, app: AppRecord) -> Response:
        return json_response(full_delivery(find_delivery(self._parts, call, app.hook)))

    def _attempt(self, call: Call, app: AppRecord) -> Response:
        self._parts.announcer.again(find_delivery(self._parts, call, app.hook))
        return json_response({}, 202)
