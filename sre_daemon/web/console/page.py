"""What every page has: the state of the daemon, who is looking, and the token of its forms."""

import asyncio
import secrets
from collections.abc import Mapping
from typing import Any

import aiohttp_jinja2
from aiohttp import web

from sre_daemon.domain.person import Person, Role
from sre_daemon.web.auth import FORM_COOKIE, FORM_FIELD, check_form, check_person, form_token
from sre_daemon.web.front import FRONT
from sre_daemon.web.problems import BadRequest

FORM_SECONDS = 10.0


async def render(
    request: web.Request, template: str, context: Mapping[str, Any], *, here: str = ""
) -> web.Response:
    """A page for somebody who may look; `here` is its entry in the navigation."""
    person = check_person(request)
    front = request.app[FRONT]
    cookie = request.cookies.get(FORM_COOKIE, "")
    fresh = "" if cookie else secrets.token_hex(16)
    shown = {
        "status": await front.control.status(),
        "now": front.clock.now(),
        "session": bool(front.people),
        "person": person,
        "may": {role.value: person.may(role) for role in Role},
        "form_field": FORM_FIELD,
        "form_token": form_token(request, person, cookie or fresh),
        "here": here,
    }
    response = aiohttp_jinja2.render_template(template, request, {**shown, **context})
    if fresh:
        set_cookie(request, response, FORM_COOKIE, fresh)
    return response


def set_cookie(
    request: web.Request, response: web.Response, name: str, value: str, age: int | None = None
) -> None:
    """A cookie that no script and no other site can use."""
    response.set_cookie(
        name,
        value,
        max_age=age,
        httponly=True,
        samesite="Strict",
        # A forged header could only make the caller's own cookie stricter.
        secure=request.secure or request.headers.get("X-Forwarded-Proto") == "https",
    )


async def fields(request: web.Request) -> dict[str, str]:
    """The fields of a form, stripped; raises BadRequest."""
    if request.content_type != "application/x-www-form-urlencoded":
        raise BadRequest("send the form")
    try:
        async with asyncio.timeout(FORM_SECONDS):
            sent = await request.post()
    except (ValueError, LookupError, web.RequestPayloadError):
        raise BadRequest("the form cannot be read") from None
    except TimeoutError:
        raise web.HTTPRequestTimeout from None
    return {name: value.strip() for name, value in sent.items() if isinstance(value, str)}


async def checked_form(request: web.Request, least: Role) -> tuple[Person, dict[str, str]]:
    """Who sent a form of ours, and its fields; raises Unauthorized, Forbidden, BadRequest."""
    sent = await fields(request)
    return check_form(request, sent, least), sent
