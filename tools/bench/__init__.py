"""Compare the built bundle with its peers: ``python -m tools.bench``."""
