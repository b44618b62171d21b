"""The tables. Times are integer microseconds since 1970 UTC, so that they compare and index as numbers.

JSON columns are text. The two partial unique indexes are the promises of correlation: at most one
open episode per alert, at most one open incident per correlation key.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
)

metadata = MetaData()

# SQLite counts rows by itself only in a column that is called INTEGER.
Serial = BigInteger().with_variant(Integer, "sqlite")

notifications = Table(
    "notifications",
    metadata,
    Column("id", Serial, primary_key=True, autoincrement=True),
    Column("received_at", BigInteger, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("peer", Text, nullable=False),
    Column("group_key", Text, nullable=False),
    Column("receiver", Text, nullable=False),
    Column("truncated", Integer, nullable=False),
    Column("rejected", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("token_id", Text, nullable=False, server_default=""),
)

unreadable = Table(
    "unreadable",
    metadata,
    Column("id", Serial, primary_key=True, autoincrement=True),
    Column("digest", Text, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("token_id", Text, nullable=False),
    Column("peer", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("times", Integer, nullable=False),
    Column("first_at", BigInteger, nullable=False),
    Column("last_at", BigInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),
    UniqueConstraint("digest"),
)

incidents = Table(
    "incidents",
    metadata,
    Column("id", Text, primary_key=True),
    Column("key", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("rank", Integer, nullable=False),
    Column("labels", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("version", Integer, nullable=False),
    Column("fence", Integer, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("wake_at", BigInteger),
    Column("policy", Text, nullable=False),
    Column("data", Text, nullable=False),
    Column("lease_owner", Text),
    Column("lease_until", BigInteger),
)
Index(
    "one_open_incident_per_key",
    incidents.c.key,
    unique=True,
    sqlite_where=text("state != 'closed'"),
    postgresql_where=text("state != 'closed'"),
)
# A claim says this word for word, else neither database uses the index that is in its order.
IN_LINE = "state NOT IN ('closed', 'escalated')"
Index(
    "incidents_in_line",
    incidents.c.rank,
    incidents.c.created_at,
    sqlite_where=text(IN_LINE),
    postgresql_where=text(IN_LINE),
)
Index("incidents_by_age", incidents.c.created_at, incidents.c.id)
Index("incidents_by_state", incidents.c.state, incidents.c.severity, incidents.c.updated_at)

episodes = Table(
    "episodes",
    metadata,
    Column("id", Serial, primary_key=True, autoincrement=True),
    Column("identity", Text, nullable=False),
    Column("incident_id", Text, ForeignKey("incidents.id")),
    Column("tenant", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("labels", Text, nullable=False),
    Column("annotations", Text, nullable=False),
    Column("generator_url", Text, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("starts_at", BigInteger, nullable=False),
    Column("ends_at", BigInteger),
    Column("first_seen", BigInteger, nullable=False),
    Column("last_seen", BigInteger, nullable=False),
    Column("reports", Integer, nullable=False),
    Column("open", Boolean, nullable=False),
    Column("ended_lately", Boolean, nullable=False, server_default=false()),
)
Index(
    "one_open_episode_per_alert",
    episodes.c.identity,
    unique=True,
    sqlite_where=text("open"),
    postgresql_where=text("open"),
)
# Only what correlation looks at: its size, and so its cost, does not grow with the history.
Index(
    "episodes_ended_lately",
    episodes.c.identity,
    sqlite_where=text("ended_lately"),
    postgresql_where=text("ended_lately"),
)
Index("episodes_by_incident", episodes.c.incident_id)

events = Table(
    "events",
    metadata,
    Column("seq", Serial, primary_key=True, autoincrement=True),
    Column("incident_id", Text, ForeignKey("incidents.id"), nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("summary", Text, nullable=False),
    Column("data", Text, nullable=False),
)
Index("events_by_incident", events.c.incident_id, events.c.seq)

effects = Table(
    "effects",
    metadata,
    Column("id", Serial, primary_key=True, autoincrement=True),
    Column("incident_id", Text, ForeignKey("incidents.id"), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("direction", Text, nullable=False),
    Column("position", Integer, nullable=False),
    Column("effect", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("policy", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("planned_at", BigInteger, nullable=False),
    Column("intended_at", BigInteger),
    Column("settled_at", BigInteger),
    Column("detail", Text, nullable=False),
    UniqueConstraint("incident_id", "attempt", "direction", "position"),
)
Index("effects_by_intent", effects.c.intended_at)

runs = Table(
    "runs",
    metadata,
    Column("id", Text, primary_key=True),
    Column("incident_id", Text, ForeignKey("incidents.id"), nullable=False),
    Column("engine", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger),
    Column("outcome", Text, nullable=False),
    Column("turns", Integer, nullable=False),
    Column("input_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("cache_read_tokens", BigInteger, nullable=False),
    Column("cache_write_tokens", BigInteger, nullable=False),
    Column("cost_usd", Float, nullable=False),
    Column("error", Text, nullable=False),
    Column("session", Text, nullable=False, server_default=""),
)
Index("runs_by_incident", runs.c.incident_id)
Index("runs_by_start", runs.c.started_at)

calls = Table(
    "calls",
    metadata,
    Column("id", Serial, primary_key=True, autoincrement=True),
    Column("run_id", Text, ForeignKey("runs.id"), nullable=False),
    Column("call", Text, nullable=False),
    Column("tool", Text, nullable=False),
    Column("arguments", Text, nullable=False),
    Column("output", Text, nullable=False),
    Column("is_error", Boolean, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("at", BigInteger, nullable=False),
)

Index("calls_by_run", calls.c.run_id, calls.c.id)

# What a run wrote down of itself, line by line, to be continued.
sessions = Table(
    "sessions",
    metadata,
    Column("seq", Serial, primary_key=True, autoincrement=True),
    Column("session", Text, nullable=False),
    Column("entry", Text, nullable=False),
)
Index("sessions_by_name", sessions.c.session, sessions.c.seq)

# What runs may cost and have cost.
spending = Table(
    "spending",
    metadata,
    Column("run_id", Text, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("alertname", Text, nullable=False),
    Column("team", Text, nullable=False),
    Column("usd", Float, nullable=False),
    Column("settled", Boolean, nullable=False),
)
Index("spending_by_time", spending.c.at)

jobs = Table(
    "jobs",
    metadata,
    Column("name", Text, primary_key=True),
    Column("last_at", BigInteger, nullable=False),
    Column("owner", Text, nullable=False),
)

approvals = Table(
    "approvals",
    metadata,
    Column("id", Text, primary_key=True),
    Column("incident_id", Text, ForeignKey("incidents.id"), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("policy", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("effects", Text, nullable=False),
    Column("targets", Text, nullable=False),
    Column("approvers", Text, nullable=False),
    Column("requested_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("decided_at", BigInteger),
    Column("who", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("used_at", BigInteger),
    UniqueConstraint("incident_id", "attempt"),
)
Index("approvals_by_state", approvals.c.state, approvals.c.requested_at)

trials = Table(
    "trials",
    metadata,
    Column("id", Serial, primary_key=True, autoincrement=True),
    Column("policy", Text, nullable=False),
    Column("incident_id", Text, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("level", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("digest", Text, nullable=False),
)
Index("trials_by_policy", trials.c.policy, trials.c.id)
Index("trials_by_time", trials.c.at)

hands = Table(
    "hands",
    metadata,
    Column("incident_id", Text, ForeignKey("incidents.id"), primary_key=True),
    Column("who", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("since", BigInteger, nullable=False),
)

audit = Table(
    "audit",
    metadata,
    # Given by whoever writes it, so that no number is ever left out.
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("at", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("who", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("summary", Text, nullable=False),
    Column("data", Text, nullable=False),
    Column("previous", Text, nullable=False),
    Column("hash", Text, nullable=False),
)

switches = Table(
    "switches",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
    Column("set_at", BigInteger, nullable=False),
)

# Written with the events that it is about, deleted when the deliveries of it are planned.
news = Table(
    "news",
    metadata,
    Column("id", Serial, primary_key=True, autoincrement=True),
    Column("incident_id", Text, ForeignKey("incidents.id"), nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("text", Text, nullable=False),
    # A number is never given twice, also when the table was empty in between: keys are made of it.
    sqlite_autoincrement=True,
)
Index("news_by_incident", news.c.incident_id)

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", Serial, primary_key=True, autoincrement=True),
    Column("channel", Text, nullable=False),
    Column("key", Text, nullable=False),
    # Empty for what is about the daemon itself, so this is no foreign key.
    Column("incident_id", Text, nullable=False),
    Column("payload", Text, nullable=False),
    Column("follows", Boolean, nullable=False),
    Column("state", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("due_at", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("lease_owner", Text),
    Column("lease_until", BigInteger),
    Column("sent_at", BigInteger),
    Column("error", Text, nullable=False),
    UniqueConstraint("channel", "key"),
)
Index(
    "deliveries_to_send",
    deliveries.c.channel,
    deliveries.c.id,
    sqlite_where=text("state = 'waiting'"),
    postgresql_where=text("state = 'waiting'"),
)
Index("deliveries_by_incident", deliveries.c.incident_id)

# What the guard metrics of an incident were, for its charts: at most a hundred or so per query.
samples = Table(
    "samples",
    metadata,
    Column("incident_id", Text, ForeignKey("incidents.id"), primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("condition", Text, nullable=False),
    # JSON: pairs of microseconds and value, in order.
    Column("points", Text, nullable=False),
)

# Where a chat shows an incident; `data` is JSON.
threads = Table(
    "threads",
    metadata,
    Column("place", Text, primary_key=True),
    Column("incident_id", Text, ForeignKey("incidents.id"), primary_key=True),
    Column("room", Text, nullable=False),
    Column("ts", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("began_at", BigInteger, nullable=False),
    Column("data", Text, nullable=False),
)
Index("threads_by_message", threads.c.room, threads.c.ts)
Index("threads_by_incident", threads.c.incident_id)

# Events from outside that were taken, so that one that is sent again is not taken again.
seen = Table(
    "seen",
    metadata,
    Column("key", Text, primary_key=True),
    Column("at", BigInteger, nullable=False),
)
Index("seen_by_time", seen.c.at)
