"""Speed of the server, each figure beside a baseline of the same run: `python -m tests.bench`, docs/performance.md."""
