# The daemon in a container: one process, no root, a root file system that may be read-only.
#
#   docker build -t sre-daemon .
#   docker run --init --read-only --tmpfs /tmp -p 9911:9911 -e SRE_DAEMON_WEBHOOK_TOKEN -e SRE_DAEMON_API_TOKEN \
#     -v /etc/sre-daemon:/etc/sre-daemon:ro -v sre-daemon:/var/lib/sre-daemon sre-daemon
#
# The tools run in a container of their own, as the user sre-tools, in stack/compose.yaml:
# `sre-tools --transport unix` there, `tool_host` in the daemon's settings here.
#
# Any Debian with Python 3.11 or newer will do as the base.
ARG BASE=python:3.12-slim-bookworm

FROM ${BASE} AS build
WORKDIR /src
RUN python3 -m venv /opt/sre-daemon
COPY constraints.txt pyproject.toml README.md LICENSE ./
# Wheels in ./wheels (pip download -d wheels) are used instead of a package index.
COPY LICENSE wheel[s] wheels/
# What changes seldom first: the libraries are a layer of their own.
RUN if ls wheels/*.whl >/dev/null 2>&1; then export PIP_NO_INDEX=1 PIP_FIND_LINKS=/src/wheels; fi \
    && python3 -c "import tomllib; p = tomllib.load(open('pyproject.toml', 'rb')); \
        print(*p['project']['dependencies'], *p['project']['optional-dependencies']['compose'], *p['build-system']['requires'], sep='\n')" >wanted \
    && /opt/sre-daemon/bin/pip install --no-cache-dir --disable-pip-version-check -c constraints.txt -r wanted \
    && rm -rf wheels
COPY docs/man docs/man
COPY sre_daemon sre_daemon
COPY mcp_tools mcp_tools
RUN /opt/sre-daemon/bin/pip install --no-cache-dir --no-deps --no-build-isolation --disable-pip-version-check . \
    && /opt/sre-daemon/bin/pip uninstall --quiet --yes setuptools pip \
    && /opt/sre-daemon/bin/python -m compileall -q /opt/sre-daemon/lib \
    && /opt/sre-daemon/bin/sre-daemon version

FROM ${BASE}
# Images of Python come without compiled modules, and a read-only root keeps none: each start would
# compile the standard library again.
RUN python3 -m compileall -q -x '/(test|idlelib|lib2to3|site-packages|dist-packages)/' "$(python3 -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')"
# setpriv and setsid of util-linux bind the agent's processes to the daemon's life.
RUN command -v setpriv && command -v setsid \
    && groupadd --system --gid 9911 sre-daemon \
    && useradd --system --gid sre-daemon --uid 9911 --home-dir /var/lib/sre-daemon sre-daemon \
    && useradd --system --gid sre-daemon --uid 9912 --home-dir /nonexistent sre-tools \
    && install -d -m 0700 -o sre-daemon -g sre-daemon /var/lib/sre-daemon \
    && install -d -m 0770 -o sre-daemon -g sre-daemon /run/sre-daemon
COPY --from=build /opt/sre-daemon /opt/sre-daemon
ENV PATH=/opt/sre-daemon/bin:$PATH PYTHONUNBUFFERED=1
USER sre-daemon
VOLUME /var/lib/sre-daemon
EXPOSE 9911
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
    CMD ["python3", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:9911/healthz', timeout=2)"]
ENTRYPOINT ["sre-daemon"]
CMD ["serve", "--config", "/etc/sre-daemon/sre-daemon.yaml"]
