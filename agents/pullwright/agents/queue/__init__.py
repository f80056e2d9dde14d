"""The durable store of tasks and journals."""
