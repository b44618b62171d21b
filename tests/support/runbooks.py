"""A runbook for tests, and the world in which its first finding holds."""

from typing import Any

FRONT = """\
name: api-db-pool-exhausted
description: Requests wait for a database connection.
matchers: ['alertname="ApiDbPoolExhausted"', 'service=~"api-.*"']
investigate:
  - {id: pool, tool: query_metrics, arguments: {promql: 'db_pool_size{service="api-server"}'}}
  - {id: config, tool: read_config_file, arguments: {path: config/api-server.env}}
  - {id: logs, tool: get_logs, arguments: {service: api-server, level: error, lines: 50}}
findings:
  - id: pool-not-a-number
    when:
      - {step: config, key: DB_POOL_SIZE, number: false, claim: 'the pool size is not a number'}
    root_cause: 'DB_POOL_SIZE is {config.DB_POOL_SIZE}'
    confidence: 0.8
  - id: pool-too-small
    when:
      - {step: pool, value: '< 5', claim: 'the running pool has fewer than 5 connections'}
      - {step: config, key: DB_POOL_SIZE, value: '< 5', claim: 'the configured size is below 5'}
      - {step: logs, contains: 'pool exhausted', claim: 'requests find no connection'}
    root_cause: 'DB_POOL_SIZE is {config.DB_POOL_SIZE}; the pool runs with {pool.value}'
    confidence: 0.9
    affected_services: [api-server]
    propose:
      - {effect: config.set, path: config/api-server.env, key: DB_POOL_SIZE,
         before: '{config.DB_POOL_SIZE}', after: '20'}
      - {effect: service.redeploy, service: api-server}
"""
BODY = """\
# The connection pool is exhausted

## Meaning
All connections are in use.

## Impact
Requests fail.

## Diagnosis
Compare the pool with its configuration.

## Mitigation
Set the size and redeploy.
"""
WORLD: dict[str, Any] = {
    "get_alerts": {"alerts": [{"name": "ApiDbPoolExhausted", "labels": {"service": "api-server"}}]},
    "query_metrics": {
        "query": "db_pool_size",
        "kind": "vector",
        "count": 1,
        "empty": False,
        "series": [{"labels": {"service": "api-server"}, "value": 1}],
    },
    "read_config_file": {
        "path": "config/api-server.env",
        "keys": {"DB_POOL_SIZE": "1", "DB_POOL_TIMEOUT": "2", "NOTE": 'a "quoted" one'},
        "text": 'DB_POOL_SIZE=1\nDB_POOL_TIMEOUT=2\nNOTE=a "quoted" one\n',
    },
    "get_logs": {
        "service": "api-server",
        "counts": {"error": 2},
        "lines": ['level=error msg="connection pool exhausted" timeout=2'],
    },
}


def runbook(front: str = FRONT, body: str = BODY) -> str:
    """The text of a runbook file."""
    return f"---\n{front}---\n{body}"
