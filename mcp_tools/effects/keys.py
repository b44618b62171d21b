"""Which configuration keys are secret, which change what code is loaded, and how secrets are hidden."""

import re

MASK = "***"
SECRET_PARTS = {"PASSWORD", "PASSWD", "PASSPHRASE", "PASS", "PWD", "SECRET", "SECRETS", "TOKEN"} | {
    *("TOKENS", "KEY", "KEYS", "APIKEY", "CREDENTIAL", "CREDENTIALS", "PRIVATE", "DSN")
}
SECRET_ANYWHERE = ("PASSWORD", "SECRET", "TOKEN", "APIKEY")
# A value of one of these decides which code runs or whom it talks to.
LOADING_PREFIXES = (
    *("LD_", "DYLD_", "PYTHON", "PERL", "RUBY", "NODE_", "JAVA_", "JDK_"),
    *("GIT_", "DOCKER_", "COMPOSE_", "SSL_", "BASH_"),
)
LOADING_NAMES = {"PATH", "HOME", "SHELL", "ENV", "IFS", "CLASSPATH", "GCONV_PATH", "HOSTALIASES"}
LOADING_PARTS = {
    *("PROXY", "HOST", "HOSTS", "HOSTNAME", "URL", "URI", "ADDR", "ADDRESS", "ENDPOINT"),
    *("COMMAND", "ENTRYPOINT", "IMAGE", "VOLUMES", "PRIVILEGED", "EXEC"),
}
# The look-behinds make each word be tried once: without them long words cost seconds.
URL_PASSWORD = re.compile(
    r"(?<![A-Za-z0-9+.-])([A-Za-z][A-Za-z0-9+.-]{0,30}://[^\s/:@'\"]{0,200}:)([^\s/@'\"]{1,400})(@)"
)
ASSIGNED_SECRET = re.compile(
    r"(?i)(?<![\w.-])([\w.-]{0,80}(?:password|passwd|passphrase|secret|token|api[_-]?key)[\w.-]{0,80}"
    r"[\"']?[ \t]{0,4}[=:][ \t]{0,4})(?!\*\*\*)(\"[^\"\n]{0,400}\"|'[^'\n]{0,400}'|[^\s\"',;&}]{1,400})"
)
AUTHORIZATION = re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9+/_.~=-]{8,2000}")


def parts(key: str) -> list[str]:
    """The words of a key in upper case: `db.apiKey` has DB, API and KEY."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", key)
    return [part.upper() for part in re.split(r"[^A-Za-z0-9]+", spaced) if part]


def is_secret(key: str, value: str = "") -> bool:
    """Whether the value may not be shown, judged by the key's words or a password within a URL."""
    words = parts(key)
    joined = "".join(words)
    return (
        not SECRET_PARTS.isdisjoint(words)
        or any(word in joined for word in SECRET_ANYWHERE)
        or URL_PASSWORD.search(value) is not None
    )


def changes_loading(key: str) -> bool:
    """Whether a value of this key decides which code runs or which systems are talked to."""
    names = [name.upper() for name in key.split(".")]
    return any(
        name.startswith(LOADING_PREFIXES)
        or name in LOADING_NAMES
        or not LOADING_PARTS.isdisjoint(parts(name))
        for name in names
    )


def shown(key: str, value: str) -> str:
    """The value, or a mask when it is secret."""
    return MASK if is_secret(key, value) else value


def hide(text: str) -> str:
    """Free text with URL passwords, `password=...` and authorization headers masked."""
    text = URL_PASSWORD.sub(rf"\1{MASK}\3", text)
    text = ASSIGNED_SECRET.sub(rf"\1{MASK}", text)
    return AUTHORIZATION.sub(rf"\1 {MASK}", text)
