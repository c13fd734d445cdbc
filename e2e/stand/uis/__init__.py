"""The simulated Data API of UIS: keeps state, refuses as the papers say, fails on cue. `start_uis` serves it alone."""
