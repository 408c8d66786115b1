"""Attacks: whatever a client sends, it is told one of the things that the contract has, and nothing else happens.

`pytest tests/hostile --hypothesis-profile soak --timeout 3600` looks at far more of the same.
"""
