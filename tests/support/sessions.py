"""Sessions of runs in memory."""


class MemorySessions:
    """See agent.claude.memory.Sessions."""

    def __init__(self):
        self.lines = {}

    async def append(self, session, lines):
        self.lines.setdefault(session, []).extend(lines)

    async def load(self, session):
        return list(self.lines.get(session, []))
