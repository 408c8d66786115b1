"""Hostile clients: whatever a client sends, the response is one that the contract allows, with no other effect.

`pytest tests/hostile --hypothesis-profile soak --timeout 3600` tries many more inputs.
"""
