"""The HTTP front: receiver, API, console pages, health and metrics."""
