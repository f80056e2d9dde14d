"""The part of Linear's query language that the rehearsal understands, written for it; everything else is an error.

Names and types are those of Linear's published schema.
"""

from __future__ import annotations

from typing import Final

SCHEMA: Final = """
scalar DateTime
scalar DateTimeOrDuration
scalar JSONObject

enum PaginationOrderBy { createdAt updatedAt }

type PageInfo { hasNextPage: Boolean! endCursor: String }

type User {
  id: ID! name: String! displayName: String! email: String! url: String!
  active: Boolean! guest: Boolean! app: Boolean!
  teams(first: Int, after: String): TeamConnection!
}
type UserConnection { nodes: [User!]! }

type WorkflowState { id: ID! name: String! type: String! position: Float! }
type WorkflowStateConnection { nodes: [WorkflowState!]! }

type Team { id: ID! key: String! name: String! states(first: Int): WorkflowStateConnection! }
type TeamConnection { nodes: [Team!]! }

type Project { id: ID! name: String! }

type IssueLabel { id: ID! name: String! }
type IssueLabelConnection { nodes: [IssueLabel!]! }

type Attachment { id: ID! title: String! url: String! createdAt: DateTime! }
type AttachmentConnection { nodes: [Attachment!]! }

type IssueRelation { id: ID! type: String! relatedIssue: Issue! }
type IssueRelationConnection { nodes: [IssueRelation!]! }

type IssueHistory {
  id: ID! createdAt: DateTime! updatedAt: DateTime! actor: User
  fromTitle: String updatedDescription: Boolean addedLabels: [IssueLabel!]
  toAssigneeId: String toDelegate: User
}
type IssueHistoryConnection { nodes: [IssueHistory!]! }

type Comment {
  id: ID! body: String! createdAt: DateTime! editedAt: DateTime url: String! user: User issue: Issue
}
type CommentConnection { nodes: [Comment!]! pageInfo: PageInfo! }

type Issue {
  id: ID! identifier: String! title: String! description: String url: String! trashed: Boolean
  createdAt: DateTime! completedAt: DateTime canceledAt: DateTime
  state: WorkflowState! team: Team! project: Project parent: Issue
  creator: User assignee: User delegate: User
  labels(first: Int): IssueLabelConnection!
  attachments(first: Int): AttachmentConnection!
  children(first: Int): IssueConnection!
  relations(first: Int): IssueRelationConnection!
  history(first: Int): IssueHistoryConnection!
  comments(first: Int): CommentConnection!
}
type IssueConnection { nodes: [Issue!]! pageInfo: PageInfo! }

input IDComparator { eq: ID }
input StringComparator { in: [String!] eqIgnoreCase: String containsIgnoreCase: String }
input DateComparator { gte: DateTimeOrDuration }
input UserFilter { id: IDComparator }
input NullableUserFilter { id: IDComparator }
input IssueLabelFilter { name: StringComparator }
input IssueLabelCollectionFilter { name: StringComparator }
input WorkflowStateFilter { type: StringComparator }
input CommentFilter { id: IDComparator createdAt: DateComparator body: StringComparator or: [CommentFilter!] }
input IssueFilter {
  updatedAt: DateComparator labels: IssueLabelCollectionFilter state: WorkflowStateFilter
  assignee: NullableUserFilter delegate: NullableUserFilter or: [IssueFilter!]
}

type Query {
  viewer: User!
  issue(id: String!): Issue!
  issues(filter: IssueFilter, orderBy: PaginationOrderBy, first: Int, after: String): IssueConnection!
  comments(filter: CommentFilter, orderBy: PaginationOrderBy, first: Int, after: String): CommentConnection!
  users(filter: UserFilter, first: Int): UserConnection!
  teams(first: Int): TeamConnection!
  issueLabels(filter: IssueLabelFilter, first: Int): IssueLabelConnection!
}

input CommentCreateInput { id: String issueId: String body: String doNotSubscribeToIssue: Boolean }
input CommentUpdateInput { body: String }
input IssueUpdateInput { stateId: String }
input AttachmentCreateInput { issueId: String! title: String! url: String! }
input AgentActivityCreateInput { id: String agentSessionId: String! content: JSONObject! }

type CommentPayload { success: Boolean! comment: Comment! }
type IssuePayload { success: Boolean! issue: Issue }
type AttachmentPayload { success: Boolean! attachment: Attachment! }
type AgentActivityPayload { success: Boolean! }

type Mutation {
  commentCreate(input: CommentCreateInput!): CommentPayload!
  commentUpdate(id: String!, input: CommentUpdateInput!): CommentPayload!
  issueUpdate(id: String!, input: IssueUpdateInput!): IssuePayload!
  attachmentCreate(input: AttachmentCreateInput!): AttachmentPayload!
  agentActivityCreate(input: AgentActivityCreateInput!): AgentActivityPayload!
}
"""
