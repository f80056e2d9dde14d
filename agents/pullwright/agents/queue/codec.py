"""Task specifications, one way and back, and what a journal says about where a change went."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any

from pullwright.agents.budget import Budget
from pullwright.agents.change import Continuation, RepositoryRef
from pullwright.agents.events import ChangePublished, RunEvent, RunFinished
from pullwright.agents.message import Image
from pullwright.agents.task import TaskSpec


def spec_to_data(spec: TaskSpec) -> dict[str, Any]:
    """Turn a specification into JSON-ready data."""
    data = asdict(spec)
    data["not_before"] = spec.not_before.isoformat() if spec.not_before else None
    data["images"] = [{**asdict(image), "content": b64encode(image.content).decode()} for image in spec.images]
    return data


def spec_from_data(data: Mapping[str, Any]) -> TaskSpec:
    """Turn stored data back into the specification it came from; what another release wrote may lack or add fields."""
    known = {one.name for one in fields(TaskSpec)}
    not_before = data.get("not_before")
    return TaskSpec(
        **{
            **{key: value for key, value in data.items() if key in known},
            "not_before": datetime.fromisoformat(not_before) if not_before else None,
            "repository": RepositoryRef(**data["repository"]),
            "images": tuple(Image(**{**item, "content": b64decode(item["content"])}) for item in data["images"]),
            "checks": tuple(data["checks"]),
            "fixes": tuple(data.get("fixes", ())),
            "budget": Budget(**data["budget"]),
            "continues": _continuation(data.get("continues")),
        }
    )


def _continuation(data: Mapping[str, Any] | None) -> Continuation | None:
    if data is None:
        return None
    known = {one.name for one in fields(Continuation)}
    return Continuation(**{key: value for key, value in data.items() if key in known})


def outcome_of(event: RunEvent) -> dict[str, str]:
    """Return the fields of its task that an event fills: where the change went."""
    match event:
        case ChangePublished():
            fields = {
                "branch": event.branch,
                "pull_request_url": event.pull_request_url,
                "patch_path": event.patch_path,
            }
        case RunFinished():
            fields = {"patch_path": event.patch_path}
        case _:
            fields = {}
    return {name: value for name, value in fields.items() if value}
