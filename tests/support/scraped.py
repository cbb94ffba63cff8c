"""What a service says at /metrics, as Prometheus would read it."""

from __future__ import annotations

import httpx
from prometheus_client.parser import text_string_to_metric_families

Series = dict[tuple[str, frozenset[tuple[str, str]]], float]


class Scrape:
    """One answer of /metrics. `value` of a series that is not there is 0, as `increase` takes it."""

    def __init__(self, origin: str) -> None:
        answer = httpx.get(f"{origin}/metrics", timeout=20, trust_env=False)
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        self.text = answer.text
        self.series: Series = {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(answer.text)
            for sample in family.samples
        }

    def value(self, name: str, **labels: str) -> float:
        return self.series.get((name, frozenset(labels.items())), 0.0)

    @property
    def names(self) -> set[str]:
        return {name for name, _ in self.series}

    def labels(self, name: str) -> set[str]:
        """Every value of every label of a metric but the bounds of buckets."""
        return {value for found, pairs in self.series if found.startswith(name) for key, value in pairs if key != "le"}
