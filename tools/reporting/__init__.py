"""The parts of tools/report. `records` is also what tools/sweep reads records with."""
