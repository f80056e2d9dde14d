"""What is asked of Linear and done there, in its query language. Lists name their length: it is what a query costs."""

from __future__ import annotations

from typing import Final

_FACTS: Final = """
  id identifier title trashed
  state { id name type position }
  team { key name }
  labels(first: 50) { nodes { id name } }
  assignee { id }
  delegate { id }
"""

_NEWEST: Final = "comments(first: 50) { nodes { id body createdAt user { id } } }"
_LINKED: Final = "identifier title state { name }"

VIEWER: Final = "query Viewer { viewer { id name displayName email } }"

FACTS: Final = f"query Facts($id: String!) {{ issue(id: $id) {{ {_FACTS} {_NEWEST} }} }}"

ISSUE: Final = f"""
query Issue($id: String!, $comments: Int!) {{
  issue(id: $id) {{
    {_FACTS}
    description
    project {{ name }}
    creator {{ id name }}
    parent {{ {_LINKED} }}
    children(first: 20) {{ nodes {{ {_LINKED} }} }}
    relations(first: 20) {{ nodes {{ type relatedIssue {{ {_LINKED} }} }} }}
    attachments(first: 20) {{ nodes {{ title url createdAt }} }}
    history(first: 50) {{ nodes {{ createdAt updatedAt fromTitle updatedDescription }} }}
    comments(first: $comments) {{ nodes {{ id body createdAt editedAt user {{ id name }} }} }}
  }}
}}
"""

STATES: Final = """
query States($id: String!) {
  issue(id: $id) {
    id
    state { id name type position }
    team { states(first: 100) { nodes { id name type position } } }
  }
}
"""

USER: Final = """
query User($id: ID!) {
  users(filter: { id: { eq: $id } }, first: 1) {
    nodes { id name email active guest app teams(first: 100) { nodes { key } } }
  }
}
"""

COMMENT: Final = """
query Comment($id: ID!) {
  comments(filter: { id: { eq: $id } }, first: 1) { nodes { id url user { id } } }
}
"""

COMMENT_CREATE: Final = """
mutation Say($input: CommentCreateInput!) { commentCreate(input: $input) { success comment { id url } } }
"""

COMMENT_UPDATE: Final = """
mutation Change($id: String!, $input: CommentUpdateInput!) {
  commentUpdate(id: $id, input: $input) { success comment { id url } }
}
"""

MOVE: Final = (
    "mutation Move($id: String!, $state: String!) { issueUpdate(id: $id, input: { stateId: $state }) { success } }"
)

LINK: Final = """
mutation Link($input: AttachmentCreateInput!) { attachmentCreate(input: $input) { success attachment { id url } } }
"""

ACTIVITY: Final = """
mutation Act($input: AgentActivityCreateInput!) { agentActivityCreate(input: $input) { success } }
"""

ASKED_FOR: Final = """
query AskedFor($since: DateTimeOrDuration!, $label: String!, $user: ID!, $after: String) {
  issues(
    filter: {
      updatedAt: { gte: $since }
      or: [
        { labels: { name: { eqIgnoreCase: $label } } }
        { assignee: { id: { eq: $user } } }
        { delegate: { id: { eq: $user } } }
      ]
    }
    orderBy: updatedAt
    first: 25
    after: $after
  ) {
    pageInfo { hasNextPage endCursor }
    nodes {
      id identifier createdAt
      state { type }
      labels(first: 20) { nodes { name } }
      assignee { id }
      delegate { id }
      creator { id name url }
      history(first: 20) {
        nodes {
          id createdAt
          actor { id name url }
          addedLabels { name }
          toAssigneeId
          toDelegate { id }
        }
      }
    }
  }
}
"""

ENDED: Final = """
query Ended($since: DateTimeOrDuration!, $after: String) {
  issues(
    filter: { updatedAt: { gte: $since }, state: { type: { in: ["completed", "canceled", "duplicate"] } } }
    orderBy: updatedAt
    first: 100
    after: $after
  ) {
    pageInfo { hasNextPage endCursor }
    nodes { id identifier completedAt canceledAt }
  }
}
"""

SPOKEN: Final = """
query Spoken($since: DateTimeOrDuration!, $words: [CommentFilter!]!, $after: String) {
  comments(filter: { createdAt: { gte: $since }, or: $words }, orderBy: createdAt, first: 50, after: $after) {
    pageInfo { hasNextPage endCursor }
    nodes { id body createdAt issue { id identifier } user { id name url } }
  }
}
"""

TEAMS: Final = """
query Teams {
  teams(first: 100) { nodes { key name states(first: 50) { nodes { id name type position } } } }
}
"""

LABELS: Final = """
query Labels($name: String!) { issueLabels(filter: { name: { eqIgnoreCase: $name } }, first: 1) { nodes { id name } } }
"""
