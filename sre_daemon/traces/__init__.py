"""Traces of incidents, made from the facts in the store and sent to an OpenTelemetry collector."""
