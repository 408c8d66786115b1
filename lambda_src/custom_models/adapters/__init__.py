"""The outside world, each side of it in a room of its own; no room knows another."""
