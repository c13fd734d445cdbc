"""Counters of this process in Prometheus' words. Labels never carry an account's data or a visitor's."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

REGISTRY = CollectorRegistry()

REQUESTS = Counter("yclick_http_requests_total", "Answered requests", ("route", "method", "status"), registry=REGISTRY)
REQUEST_SECONDS = Histogram(
    "yclick_http_request_seconds", "Time to answer", ("route",), registry=REGISTRY,
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
)  # fmt: skip
EVENTS = Counter("yclick_collector_events_total", "Events of the scripts", ("outcome",), registry=REGISTRY)
FLUSH_ROWS = Histogram(
    "yclick_collector_flush_rows",
    "Events in one COPY",
    registry=REGISTRY,
    buckets=(1, 2, 5, 10, 20, 50, 100, 500),
)
WEBHOOKS = Counter("yclick_webhooks_total", "Webhooks by outcome", ("vendor", "outcome"), registry=REGISTRY)
SPOOLED = Gauge("yclick_spool_waiting", "Webhook bodies waiting in the local spool", registry=REGISTRY)
SET_ASIDE = Gauge("yclick_spool_set_aside", "Spooled bodies that wait for a person to look at them", registry=REGISTRY)
JOBS = Counter("yclick_jobs_total", "Jobs run", ("kind", "outcome"), registry=REGISTRY)
MATCHES = Counter("yclick_matches_total", "Decisions about bookings", ("level",), registry=REGISTRY)
RECONCILED = Counter("yclick_reconciled_total", "Bookings no webhook had told of, found by asking", registry=REGISTRY)
DELIVERIES = Counter("yclick_deliveries_total", "Tries to deliver", ("outcome",), registry=REGISTRY)
VENDOR_CALLS = Counter("yclick_vendor_calls_total", "Calls to vendors", ("vendor", "outcome"), registry=REGISTRY)


_counted: dict[tuple[str, str, int], Counter] = {}
_timed: dict[str, Histogram] = {}


def count_request(route: str, method: str, status: int, seconds: float) -> None:
    """One answered request. The labelled series are kept: finding them anew costs more than counting."""
    method = method if len(method) < 8 else "OTHER"
    counter = _counted.get((route, method, status))
    if counter is None:
        counter = _counted[route, method, status] = REQUESTS.labels(route, method, status)
    timer = _timed.get(route)
    if timer is None:
        timer = _timed[route] = REQUEST_SECONDS.labels(route)
    counter.inc()
    timer.observe(seconds)


def exposition() -> bytes:
    return generate_latest(REGISTRY)
