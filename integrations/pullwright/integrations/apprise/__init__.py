"""Apprise: people are told in Slack, Teams, Discord, by e-mail and in some hundred other places."""
