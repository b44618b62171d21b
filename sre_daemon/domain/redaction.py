"""Secrets made unreadable: the one place that every text passes on its way to a model or a person.

A mask is `***` and four hex digits of a keyed digest: the same secret has the same mask wherever
it occurs, so that equality stays visible, and without the key nobody can try guesses against it.
The tool server has its own copy (mcp_tools/redaction.py), because neither side imports the
other; a contract test keeps the two alike. All patterns are bounded: hostile text costs little.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Callable, Iterable, Mapping
from typing import Any

MARK = "***"
# A mask that was put before is left alone; `***` with anything else behind it is no mask.
DONE = r"\*\*\*(?:[0-9a-f]{4})?(?![^\s\"',;&}@\\])"
SECRET_PARTS = {"PASSWORD", "PASSWD", "PASSPHRASE", "PASS", "PWD", "SECRET", "SECRETS", "TOKEN"} | {
    *("TOKENS", "KEY", "KEYS", "APIKEY", "CREDENTIAL", "CREDENTIALS", "PRIVATE", "DSN"),
    *("AUTHORIZATION", "COOKIE", "COOKIES"),
}
SECRET_ANYWHERE = ("PASSWORD", "PASSWD", "PASSPHRASE", "SECRET", "TOKEN", "APIKEY", "CREDENTIAL")
# In structured data a field called `key` or `tokens` is no secret, so the words are fewer there.
FIELD_SECRETS = (
    *("PASSWORD", "PASSWD", "PASSPHRASE", "SECRET", "APIKEY", "ACCESSKEY", "PRIVATEKEY"),
    *("CREDENTIAL", "AUTHORIZATION", "COOKIE"),
)
# Objects that name a key in one field and its values in others.
NAMED_VALUES = ("before", "after", "value", "old_value", "new_value", "deployed", "now")

PRIVATE_KEY = re.compile(
    r"-----BEGIN (?:[A-Z0-9]{1,20} ){0,4}PRIVATE KEY(?: BLOCK)?-----"
    r"((?:(?!-----)[\s\S]){0,20000})(?:-----END [A-Z0-9 ]{0,60}-----)?"
)
# The look-behinds make each word be tried once: without them long words cost seconds.
URL_PASSWORD = re.compile(
    r"(?<![A-Za-z0-9+.-])([A-Za-z][A-Za-z0-9+.-]{0,30}://[^\s/:@'\"]{0,200}:)"
    rf"(?!{DONE})([^\s/@'\"]{{1,400}})(?=@)"
)
SHAPES = re.compile(
    r"(?<![A-Za-z0-9_])(?:"
    r"(?:AKIA|ASIA)[0-9A-Z]{16}"  # AWS
    r"|gh[opusr]_[A-Za-z0-9]{20,255}|github_pat_[A-Za-z0-9_]{20,255}"
    r"|glpat-[A-Za-z0-9_-]{20,255}"
    r"|xox[abeoprs]-[A-Za-z0-9-]{10,255}|xapp-[0-9]-[A-Za-z0-9-]{10,255}"  # Slack
    r"|sk-[A-Za-z0-9_-]{20,255}"  # model APIs
    r"|[rsp]k_(?:live|test)_[A-Za-z0-9]{10,255}|whsec_[A-Za-z0-9+/=]{20,255}"  # Stripe
    r"|AIza[A-Za-z0-9_-]{35}|ya29\.[A-Za-z0-9_-]{20,255}"  # Google
    r"|eyJ[A-Za-z0-9_-]{8,2000}\.[A-Za-z0-9_-]{8,4000}(?:\.[A-Za-z0-9_-]{0,2000})?"  # JWT
    r"|npm_[A-Za-z0-9]{30,60}|pypi-[A-Za-z0-9_-]{40,255}|hf_[A-Za-z0-9]{30,60}"
    r"|dop_v1_[a-f0-9]{64}|SG\.[\w-]{16,64}\.[\w-]{16,64}|hvs\.[A-Za-z0-9_-]{20,255}"
    r"|ATATT[A-Za-z0-9_=-]{20,255}|glc_[A-Za-z0-9+/=]{20,255}|AGE-SECRET-KEY-1[A-Z0-9]{50,70}"
    r")(?![A-Za-z0-9])"
)
SLACK_HOOK = re.compile(r"(hooks\.slack\.com/(?:services|workflows)/)([A-Za-z0-9/_-]{10,200})")
SCHEME = re.compile(
    rf"(?i)\b((?:proxy-)?authorization[\"']?[ \t]{{0,4}}+[=:][ \t]{{0,4}}+[\"']?(?:[a-z-]{{1,20}}[ \t]{{1,4}}+)?"
    rf"|\bbearer[ \t]{{1,4}}+)(?!{DONE})(?!(?:bearer|basic|token)\b)([A-Za-z0-9+/_.~=:-]{{8,4000}})"
)
COOKIE = re.compile(rf"(?i)\b((?:set-)?cookie[\"']?:[ \t]{{0,4}}+)(?!{DONE})([^\r\n\"']{{1,4000}})")
WORDS = (
    r"password|passwd|passphrase|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key"
    r"|credentials?"
)
ASSIGNED = re.compile(
    rf"(?i)(?<![\w.-])([\w.-]{{0,80}}(?:{WORDS})[\w.-]{{0,80}}[\"']?[ \t]{{0,4}}+(?>=>|[=:])[ \t]{{0,4}}+)"
    rf"(?!{DONE})(?![\"']{DONE})(?:\"([^\"\n]{{1,400}})\"|'([^'\n]{{1,400}})'|([^\s\"',;&}}]{{1,400}}))"
)
OPTION = re.compile(
    rf"(?i)(?<![\w-])(--?[\w-]{{0,40}}(?:{WORDS})[ \t]{{1,4}}+)(?!{DONE})([^\s-]\S{{0,400}})"
)
SQL = re.compile(r"(?i)\b((?:PASSWORD|IDENTIFIED[ \t]{1,4}BY)[ \t]{1,4})'([^'\n]{1,400})'")
# What every secret that is known by its form has in or before it; most text has none of these.
SUSPECTS = (
    *("pass", "pwd", "secret", "token", "key", "credential", "cookie", "authorization", "bearer"),
    *("identified", "://", "hooks.slack", "akia", "asia", "ghp_", "gho_", "ghs_", "ghu_", "ghr_"),
    *("github_pat", "glpat-", "xox", "xapp-", "sk-", "rk_", "pk_", "sk_", "aiza", "ya29", "eyj"),
    *("npm_", "pypi-", "hf_", "dop_v1", "sg.", "hvs.", "atatt", "glc_", "whsec_"),
)
SHORT_NUMBER = re.compile(r"[0-9.]{1,9}")
MIN_KNOWN = 8


def parts(key: str) -> list[str]:
    """The words of a key in upper case: `db.apiKey` has DB, API and KEY."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", key)
    return [part.upper() for part in re.split(r"[^A-Za-z0-9]+", spaced) if part]


def is_secret(key: str, value: str = "") -> bool:
    """Whether the value may not be shown: by the key's words, or by what the value looks like."""
    words = parts(key)
    joined = "".join(words)
    return (
        not SECRET_PARTS.isdisjoint(words)
        or any(word in joined for word in SECRET_ANYWHERE)
        or any(form.search(value) is not None for form in (URL_PASSWORD, SHAPES, PRIVATE_KEY))
    )


class Redactor:
    """Masks with one key. `known` are secrets that are hidden wherever they occur.

    A key given as a function is asked for when the first secret is met.
    """

    def __init__(self, key: bytes | Callable[[], bytes], known: Iterable[str] = ()) -> None:
        self._key = key
        self._known: re.Pattern[str] | None = None
        self._values: set[str] = set()
        self.learn(known)

    def learn(self, known: Iterable[str]) -> None:
        """Hide these texts from now on; one that a common word could be is not taken."""
        self._values |= {item for item in known if _distinct(item)}
        if self._values:
            longest = sorted(self._values, key=len, reverse=True)
            self._known = re.compile("|".join(map(re.escape, longest)))

    def mask(self, secret: str) -> str:
        """What stands for this secret; nothing stands for nothing."""
        if not secret or re.fullmatch(DONE, secret):
            return secret
        if not isinstance(self._key, bytes):
            self._key = self._key()
        digest = hmac.new(self._key, secret.encode("utf-8", "surrogatepass"), hashlib.sha256)
        return MARK + digest.hexdigest()[:4]

    def shown(self, key: str, value: str) -> str:
        """A configuration value, or its mask when it is secret."""
        return self.mask(value) if is_secret(key, value) else value

    def hide(self, text: str) -> str:
        """Free text with every secret in it masked."""
        if self._known is not None:
            text = self._known.sub(lambda match: self.mask(match[0]), text)
        lower = text.lower()
        if not any(word in lower for word in SUSPECTS):
            return text
        text = PRIVATE_KEY.sub(lambda match: self.mask(re.sub(r"\s+", "", match[1]) or "key"), text)
        text = URL_PASSWORD.sub(self._second, text)
        text = SHAPES.sub(lambda match: self.mask(match[0]), text)
        text = SLACK_HOOK.sub(self._second, text)
        text = SCHEME.sub(self._second, text)
        text = COOKIE.sub(self._second, text)
        text = ASSIGNED.sub(self._assigned, text)
        text = OPTION.sub(self._second, text)
        return SQL.sub(lambda match: f"{match[1]}'{self.mask(match[2])}'", text)

    def data(self, value: Any) -> Any:
        """JSON data with every text in it hidden, and with it the values of fields that name a secret."""
        if isinstance(value, str):
            return self.hide(value)
        if isinstance(value, list | tuple):
            return [self.data(item) for item in value]
        if isinstance(value, Mapping):
            named = value.get("key")
            secret = isinstance(named, str) and is_secret(named)
            return {
                name: self._field(str(name), item, secret=secret and name in NAMED_VALUES)
                for name, item in value.items()
            }
        return value

    def _field(self, name: str, value: Any, *, secret: bool) -> Any:
        if isinstance(value, str) and (secret or _names_secret(name)):
            return self.mask(value)
        return self.data(value)

    def _second(self, match: re.Match[str]) -> str:
        return match[1] + self.mask(match[2])

    def _assigned(self, match: re.Match[str]) -> str:
        double, single, plain = match[2], match[3], match[4]
        if double is not None:
            return f'{match[1]}"{self.mask(double)}"'
        if single is not None:
            return f"{match[1]}'{self.mask(single)}'"
        # `max_tokens=4096` counts something.
        counted = "tokens" in match[1].lower() and SHORT_NUMBER.fullmatch(plain)
        return match[0] if counted else match[1] + self.mask(plain)


def _distinct(text: str) -> bool:
    """Whether a text is a secret by its look, and no word that occurs for other reasons too."""
    return len(text) >= MIN_KNOWN and not (text.isalpha() and (text.islower() or text.istitle()))


def _names_secret(name: str) -> bool:
    joined = "".join(parts(name))
    return any(word in joined for word in FIELD_SECRETS) or joined in {"TOKEN", "PASS", "PWD"}


class _Process:
    """The redactor of this process; with a key of its own until it is told the installation's."""

    redactor = Redactor(secrets.token_bytes(32))


def use(key: bytes | Callable[[], bytes], known: Iterable[str] = ()) -> None:
    """Take the installation's key, so that masks are the same in every process and after a restart.

    One per process, like logging: what must never be forgotten must not need to be passed around.
    """
    _Process.redactor = Redactor(key, known)


def current() -> Redactor:
    """The redactor of this process."""
    return _Process.redactor


def hide(text: str) -> str:
    """Free text with every secret in it masked."""
    return current().hide(text)


def shown(key: str, value: str) -> str:
    """A configuration value, or its mask when it is secret."""
    return current().shown(key, value)


def data(value: Any) -> Any:
    """JSON data without secrets."""
    return current().data(value)
