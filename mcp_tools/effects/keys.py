"""Which configuration keys decide what code is loaded, so that no edit may touch them."""

from mcp_tools.redaction import parts

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


def changes_loading(key: str) -> bool:
    """Whether a value of this key decides which code runs or which systems are talked to."""
    names = [name.upper() for name in key.split(".")]
    return any(
        name.startswith(LOADING_PREFIXES)
        or name in LOADING_NAMES
        or not LOADING_PARTS.isdisjoint(parts(name))
        for name in names
    )
