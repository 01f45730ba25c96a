"""The text of /metrics."""

from __future__ import annotations


def render(component: str, leading: bool = False) -> str:
    """The component's metrics in the Prometheus text format."""
    return f'# TYPE kubevirt_info gauge\nkubevirt_info{{component="{component}"}} 1\n'
