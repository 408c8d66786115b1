"""Measure the built bundle beside its peers: ``python -m tools.bench``."""
