"""Emulators of AWS services for local runs, tests and tools. Not part of the deployed function."""
