"""The Lambda entry point."""

import gc

# What a start makes is there to stay: looking for garbage in it costs time at the start, and again later.
gc.disable()

from custom_models.bootstrap import build  # noqa: E402 (the imports are most of a start)

handler = build()

gc.freeze()
gc.enable()
