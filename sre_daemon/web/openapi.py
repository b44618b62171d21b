"""The API described for machines (OpenAPI 3.1). Written by hand; a test compares it to the routes."""

from typing import Any

from sre_daemon import __version__
from sre_daemon.domain.lifecycle import State

TEXT = {"type": "string"}
TIME = {"type": "string", "format": "date-time"}
OBJECT = {"type": "object"}
LABELS = {"type": "object", "additionalProperties": TEXT}
REASON = {"type": "object", "required": ["reason"], "properties": {"reason": TEXT}}
QUESTION = {"type": "object", "required": ["question"], "properties": {"question": TEXT}}
ANSWER = {
    "type": "object",
    "required": ["digest"],
    "properties": {"digest": TEXT, "reason": TEXT},
}
INCIDENT = {
    "type": "object",
    "properties": {
        "id": TEXT,
        "key": TEXT,
        "title": TEXT,
        "state": {"type": "string", "enum": [state.value for state in State]},
        "severity": {"type": "string", "enum": ["critical", "warning", "info", "none"]},
        "labels": LABELS,
        "created_at": TIME,
        "updated_at": TIME,
        "attempt": {"type": "integer"},
        "policy": TEXT,
    },
}
ERROR = {
    "type": "object",
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message", "hint"],
            "properties": {"code": TEXT, "message": TEXT, "hint": TEXT},
        }
    },
}
LIST_QUERY = {
    "state": "One of the lifecycle's states; may be repeated.",
    "severity": "critical, warning, info or none; may be repeated.",
    "label": "name=value; may be repeated, all must match.",
    "q": "Text in the title.",
    "cursor": "From the page before.",
    "limit": "1 to 500; 50 by default.",
}


def document() -> dict[str, Any]:
    """The whole of it."""
    one = "/api/v1/incidents/{id}"
    found = {"type": "array", "items": {"$ref": "#/components/schemas/Incident"}}
    page = {
        "type": "object",
        "properties": {"incidents": found, "cursor": {"type": ["string", "null"]}},
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "sre-daemon", "version": __version__},
        "security": [{"token": []}],
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": {"Incident": INCIDENT, "Error": ERROR},
        },
        "paths": {
            "/api/v1/status": _get("The daemon now.", OBJECT),
            "/api/v1/incidents": _get("Incidents, newest first.", page, LIST_QUERY),
            one: _get("One incident, with alerts, effects, runs and diagnosis.", OBJECT),
            f"{one}/timeline": _get(
                "What happened, up to 1,000 events.", OBJECT, {"after": "Only greater `seq`."}
            ),
            f"{one}/transcript": _get("Every tool call of every run.", OBJECT),
            f"{one}/postmortem": _get("The post-mortem.", TEXT, kind="text/markdown"),
            f"{one}/ask": _post("A question about it; the answer when it is there.", QUESTION),
            f"{one}/export": _get("All of it, in a form that `replay` reads.", OBJECT),
            "/api/v1/approvals": _get("What people are asked now.", OBJECT),
            f"{one}/approve": _post("Let exactly these effects happen.", ANSWER),
            f"{one}/reject": _post("Let them not happen.", ANSWER),
            f"{one}/hands-off": _post("A person is at work: the daemon changes nothing."),
            f"{one}/hands-on": _post("The daemon may go on."),
            f"{one}/escalate": _post("It is a person's from now on."),
            f"{one}/hand-back": _post("The daemon goes on with it."),
            "/api/v1/policy/explain": _get(
                "Which policy decides about an alert, and why.",
                OBJECT,
                {
                    "label": "name=value; may be repeated.",
                    "effect": "An effect as JSON or in the short form; may be repeated.",
                    "at": "Another time than now.",
                },
            ),
            "/api/v1/policies/{name}/restore": _post("A demoted policy gets its level back."),
            "/api/v1/digest": _get(
                "The digest of the last hours, as Markdown.", OBJECT, {"hours": "24 by default."}
            ),
            "/-/reload": _post("Put the policy file in force.", None),
            "/api/v1/events": _get(
                "What happens, as it happens: server-sent events.",
                TEXT,
                {"incident": "Only this one.", "after": "As Last-Event-ID."},
                kind="text/event-stream",
            ),
            "/api/v1/pause": _post("Change nothing from now on."),
            "/api/v1/resume": _post("Undo a pause."),
            "/api/v1/openapi.json": _get("This document.", OBJECT),
        },
    }


def _get(
    summary: str,
    schema: dict[str, Any],
    query: dict[str, str] | None = None,
    kind: str = "application/json",
) -> dict[str, Any]:
    parameters = [
        {"name": name, "in": "query", "description": text, "schema": TEXT}
        for name, text in (query or {}).items()
    ]
    return {
        "get": {
            "summary": summary,
            "parameters": parameters,
            "responses": {
                "200": {"description": "OK", "content": {kind: {"schema": schema}}},
                "default": _failure(),
            },
        }
    }


def _post(summary: str, body: dict[str, Any] | None = REASON) -> dict[str, Any]:
    content = {"application/json": {"schema": body}}
    return {
        "post": {
            "summary": summary,
            **({"requestBody": {"required": True, "content": content}} if body else {}),
            "responses": {"200": {"description": "OK"}, "default": _failure()},
        }
    }


def _failure() -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Error"}
    return {"description": "An error.", "content": {"application/json": {"schema": schema}}}
