"""Programs that people run: benchmarks, load tests, the fault table, screenshots."""
