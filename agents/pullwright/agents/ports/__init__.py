"""What the core needs from the world, one role per file; adapters implement these protocols."""
