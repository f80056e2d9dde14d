"""Task specifications and rows, one way and back."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from datetime import UTC, datetime
from typing import Any

from pullwright.agents.budget import Budget
from pullwright.agents.change import RepositoryRef
from pullwright.agents.events import ChangePublished, RunEvent, RunFinished
from pullwright.agents.message import Image
from pullwright.agents.task import Task, TaskSpec, TaskStatus


def spec_to_data(spec: TaskSpec) -> dict[str, Any]:
    """Turn a specification into JSON-ready data."""
    data = asdict(spec)
    data["not_before"] = spec.not_before.isoformat() if spec.not_before else None
    data["images"] = [{**asdict(image), "content": b64encode(image.content).decode()} for image in spec.images]
    return data


def spec_from_data(data: Mapping[str, Any]) -> TaskSpec:
    """Turn stored data back into the specification it came from; what another release wrote may lack or add fields."""
    known = {field.name for field in fields(TaskSpec)}
    not_before = data.get("not_before")
    return TaskSpec(
        **{
            **{key: value for key, value in data.items() if key in known},
            "not_before": datetime.fromisoformat(not_before) if not_before else None,
            "repository": RepositoryRef(**data["repository"]),
            "images": tuple(Image(**{**item, "content": b64decode(item["content"])}) for item in data["images"]),
            "checks": tuple(data["checks"]),
            "budget": Budget(**data["budget"]),
        }
    )


def task_from_row(row: Mapping[Any, Any]) -> Task:
    """Turn a row of the task table into a task."""
    return Task(
        id=row["id"],
        spec=spec_from_data(row["spec"]),
        status=TaskStatus(row["status"]),
        status_reason=row["status_reason"],
        attempt=row["attempt"],
        created_at=in_utc(row["created_at"]),
        updated_at=in_utc(row["updated_at"]),
        branch=row["branch"],
        pull_request_url=row["pull_request_url"],
        patch_path=row["patch_path"],
    )


def in_utc(moment: datetime) -> datetime:
    """Give back the zone that SQLite does not keep."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def with_outcome(task: Task, event: RunEvent) -> Task:
    """Return the task with what an event says about where its change went."""
    match event:
        case ChangePublished():
            return replace(
                task,
                branch=event.branch or task.branch,
                pull_request_url=event.pull_request_url or task.pull_request_url,
                patch_path=event.patch_path or task.patch_path,
            )
        case RunFinished():
            return replace(task, patch_path=event.patch_path or task.patch_path)
    return task
