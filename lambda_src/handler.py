"""The Lambda entry point."""

import gc

# Objects created at startup are long-lived; freeze them so that the garbage collector never scans them.
gc.disable()

from custom_models.bootstrap import build  # noqa: E402 (importing is most of a cold start)

handler = build()

gc.freeze()
gc.enable()
