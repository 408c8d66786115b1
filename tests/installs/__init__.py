"""Real set-ups from the package registries, in temporary checkouts: ``make test-installs``."""
