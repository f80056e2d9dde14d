"""Jira, Cloud and Data Center: tickets in, reports out."""
