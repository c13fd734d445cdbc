"""The stand: a simulated YCLIENTS and a salon's site, which keep state and can fail on cue. Knows nothing of the server."""
