"""The metrics of this process for Prometheus. They count and time, and name no user, thread or text.

They are in the library's default registry, which the `/metrics` of LangGraph's server and of Aegra show as well."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Literal, TypeAlias, get_args

from prometheus_client import REGISTRY, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from agent.identity import open_stores
from agent.persistence import open_pools
from memory.facts.changes import Changes, DropReason, HeldReason
from memory.facts.fact import RetiredReason

Turn: TypeAlias = Literal["replied", "no reply", "refused"]
Step: TypeAlias = Literal["recall", "extraction", "scheduling", "reconcile", "summary"]

TURNS = Counter("agent_turns", "Turns of the chat, by how they ended.", ["outcome"])
RECALL_SECONDS = Histogram(
    "memory_recall_seconds",
    "Seconds that the recall of facts took, before the reply.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
FAILURES = Counter(
    "memory_failures", "Steps of memory that failed; the turn went on, or a later one repeats it.", ["step"]
)
ADDED = Counter("memory_facts_added", "Facts that were learned from messages.")
REINFORCED = Counter("memory_facts_reinforced", "Known facts that were said again.")
RETIRED = Counter("memory_facts_retired", "Facts that stopped holding because of a message, by reason.", ["reason"])
DROPPED = Counter("memory_facts_dropped", "What extraction found and was not kept, by reason.", ["reason"])
HELD = Counter("memory_held", "What is doubtful and was held back until the user decides, by reason.", ["reason"])
EXTRACTION_LAG = Histogram(
    "memory_extraction_lag_seconds",
    "Seconds from when a message was said until its facts were in the ledger.",
    buckets=(1, 2.5, 5, 10, 30, 60, 300, 1_800, 3_600, 86_400),
)

# A series that is there from the start has the value 0, from which Prometheus can compute a rate.
for counter, values in (
    (TURNS, Turn),
    (FAILURES, Step),
    (RETIRED, RetiredReason),
    (DROPPED, DropReason),
    (HELD, HeldReason),
):
    for value in get_args(values):
        counter.labels(value)


def count_turn(outcome: Turn) -> None:
    TURNS.labels(outcome).inc()


def count_failure(step: Step) -> None:
    FAILURES.labels(step).inc()


def count_learned(changes: Changes, said_at: Sequence[datetime], now: datetime) -> None:
    """Count what was learned from messages, which were said at these times."""
    ADDED.inc(len(changes.added))
    REINFORCED.inc(len(changes.reinforced))
    for fact in changes.retired:
        RETIRED.labels(fact.retired_reason).inc()
    for held in changes.held:
        HELD.labels(held.reason).inc()
    for dropped in changes.dropped:
        DROPPED.labels(dropped.reason).inc()
    for moment in said_at:
        EXTRACTION_LAG.observe(max((now - moment).total_seconds(), 0))


class OpenParts(Collector):
    """The connections and the cache of this process, as they are when Prometheus asks."""

    def collect(self) -> Iterable[CounterMetricFamily | GaugeMetricFamily]:
        pools = [pool.get_stats() for pool in [*open_pools]]
        caches = [store.cache for store in [*open_stores]]

        def pooled(name: str) -> float:
            return sum(pool.get(name, 0) for pool in pools)

        connections = GaugeMetricFamily("memory_postgres_connections", "Connections to Postgres.", labels=["state"])
        connections.add_metric(["idle"], pooled("pool_available"))
        connections.add_metric(["in use"], pooled("pool_size") - pooled("pool_available"))
        yield connections
        limit = "The most connections to Postgres that this process opens."
        yield GaugeMetricFamily("memory_postgres_connections_limit", limit, pooled("pool_max"))
        waiting = "Tasks that wait for a connection to Postgres."
        yield GaugeMetricFamily("memory_postgres_waiting", waiting, pooled("requests_waiting"))
        used = "Bytes of the users' facts that are cached."
        yield GaugeMetricFamily("memory_cache_bytes", used, sum(cache.size for cache in caches))
        lookups = CounterMetricFamily("memory_cache_lookups", "Looks into the cache of facts.", labels=["result"])
        lookups.add_metric(["hit"], sum(cache.hits for cache in caches))
        lookups.add_metric(["miss"], sum(cache.misses for cache in caches))
        yield lookups


REGISTRY.register(OpenParts())
