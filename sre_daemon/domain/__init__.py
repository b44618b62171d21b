"""Values and rules of incident response: no I/O, no clock, no asyncio."""
