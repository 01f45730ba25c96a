"""The text of /metrics: what a component serves, from its own state."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from prometheus_client import CollectorRegistry, disable_created_metrics, generate_latest
from prometheus_client.metrics_core import Metric

from .catalogue import CATALOGUE
from .instruments import INSTRUMENTS

Labels = dict[str, str]
Samples = Mapping[str, Iterable[tuple[Labels, float]]]
disable_created_metrics()


class _Families:
    """The families of one component; those without a subject have a type and no series."""

    def __init__(self, components: tuple[str, ...], samples: Samples) -> None:
        self._components, self._samples = components, samples

    def collect(self) -> Iterable[Metric]:
        for name, entry in CATALOGUE.items():
            if not set(self._components) & set(entry.components):
                continue
            if name in INSTRUMENTS:
                yield from INSTRUMENTS[name].collect()
                continue
            family = Metric(name, entry.help, "gauge")
            for labels, value in self._samples.get(name, ()):
                family.add_sample(name, labels, value)
            yield family


def render(components: tuple[str, ...], samples: Samples) -> str:
    """What these components serve in Prometheus' text format, their counters with names as KubeVirt writes them."""
    registry = CollectorRegistry()
    registry.register(_Families(components, samples))
    lines = generate_latest(registry).decode().splitlines()
    return "\n".join(_typed(line) for line in lines) + "\n"


def _typed(line: str) -> str:
    """The library takes a counter's name to end in `_total`; KubeVirt's do not always, so they are gauges to it."""
    if not line.startswith("# TYPE ") or not line.endswith(" gauge"):
        return line
    name = line.split()[2]
    return f"# TYPE {name} {CATALOGUE[name].type}" if name in CATALOGUE else line
