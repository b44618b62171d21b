"""sre-daemon: answers Prometheus alerts under a policy, and proves what it repaired."""

__version__ = "0.1.0"
