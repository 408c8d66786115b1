"""The Lambda entry point."""

from custom_models.bootstrap import build

handler = build()
