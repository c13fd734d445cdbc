"""`POST /hooks/yclients/{token}`: how long the vendor waits for the 200, and how many a second, durable before it.

Baselines: a bare journal with fdatasync for one connection, SQLite (WAL, FULL) with group commit for 64. Ours looks
up the token, commits the body to the inbox and counts it; the bookings are worked on by the same process at the same
time. Checked: bodies in the inbox = acknowledged, and every one became a booking.
One connection is measured twice: at a pace as in life, and as fast as answers come, when the work on the bookings
shares the processor with the answers. Targets: p50 ≤ 1.5 × the journal; ≥ 0.8 × SQLite at 64 connections; p99 ≤ 200 ms is the contract's promise.
"""

from __future__ import annotations

from tests.bench.load import Load, run
from tests.bench.report import Figure, Target, alternate
from tests.bench.scale import Scale
from tests.bench.servers import Service, anchor, yclick

#: A busy chain's webhooks in a second; at that pace the work on one does not run into the next.
_PACE = 20


def bench(scale: Scale) -> list[Figure]:
    with yclick() as service, anchor("journal") as journal, anchor("sqlite") as sqlite:
        sent = 0

        def ours(connections: int, seconds: float, rate: float = 0) -> dict[str, float]:
            nonlocal sent
            result = run(Load(service.hook, "hook", connections, seconds, rate, first=sent))
            sent += int(result["answered"])
            result["lag_s"] = service.settle()
            return result

        ours(4, 0.5)
        alone = alternate(
            scale.rounds,
            {
                "ours": lambda: ours(1, scale.seconds),
                "journal": lambda: run(Load(f"{journal.base}/hook", "hook", 1, scale.seconds)),
            },
        )
        paced = alternate(
            scale.rounds,
            {
                "ours": lambda: ours(1, scale.seconds, _PACE),
                "journal": lambda: run(Load(f"{journal.base}/hook", "hook", 1, scale.seconds, _PACE)),
            },
        )
        crowd = alternate(
            scale.rounds,
            {
                "ours": lambda: ours(64, scale.seconds / 2),
                "sqlite": lambda: run(Load(f"{sqlite.base}/hook", "hook", 64, scale.seconds / 2)),
            },
        )
        _check(service, sent)
    return [
        Figure(
            "webhook", f"webhook, {_PACE} a second, p50", "ms", paced["ours"]["p50_ms"], paced["journal"]["p50_ms"],
            "journal", Target("<=", 1.5), Target("<=", 1.1), "each booking is done before the next webhook comes",
        ),
        Figure(
            "webhook", "webhook, 1 connection, p50", "ms", alone["ours"]["p50_ms"], alone["journal"]["p50_ms"], "journal",
            Target("<=", 1.5), Target("<=", 1.1),
        ),
        Figure(
            "webhook", "webhook, 1 connection, p99", "ms", alone["ours"]["p99_ms"], alone["journal"]["p99_ms"], "journal",
            Target("<=", 200, "ours"),
        ),
        Figure(
            "webhook", "webhooks a second at 64 connections", "/s", crowd["ours"]["per_s"], crowd["sqlite"]["per_s"],
            "sqlite", Target(">=", 0.8), Target(">=", 2),
            f"bookings {crowd['ours']['lag_s']:.1f} s behind at the end",
        ),
        Figure(
            "webhook", "webhook, 64 connections, p99", "ms", crowd["ours"]["p99_ms"], crowd["sqlite"]["p99_ms"], "sqlite",
            Target("<=", 200, "ours"),
        ),
    ]  # fmt: skip


def _check(service: Service, sent: int) -> None:
    accepted = int(service.value("select count(*) from inbox"))
    bookings = int(service.value("select count(*) from booking"))
    assert (accepted, bookings) == (sent, sent), f"{sent} acknowledged, {accepted} kept, {bookings} bookings"
