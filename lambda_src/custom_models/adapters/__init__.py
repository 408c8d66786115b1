"""Adapters for external systems. Adapters do not import each other."""
