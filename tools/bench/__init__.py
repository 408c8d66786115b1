"""What the function costs, measured on its built bundle and beside peers: ``python -m tools.bench``."""
