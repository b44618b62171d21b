# The daemon in a container: one process, no root, no shell needed.
#
#   docker build -t sre-daemon .
#   docker run --init -p 9911:9911 -e SRE_DAEMON_WEBHOOK_TOKEN -e SRE_DAEMON_API_TOKEN \
#     -v /etc/sre-daemon:/etc/sre-daemon:ro -v sre-daemon:/var/lib/sre-daemon sre-daemon
#
# Any Debian with Python 3.11 or newer will do as the base.
ARG BASE=python:3.12-slim-bookworm

FROM ${BASE} AS build
WORKDIR /src
RUN python3 -m venv /opt/sre-daemon
COPY constraints.txt pyproject.toml README.md LICENSE ./
COPY docs/man docs/man
COPY sre_daemon sre_daemon
COPY mcp_tools mcp_tools
RUN /opt/sre-daemon/bin/pip install --no-cache-dir --disable-pip-version-check -c constraints.txt . \
    && /opt/sre-daemon/bin/python -m compileall -q /opt/sre-daemon/lib \
    && /opt/sre-daemon/bin/sre-daemon version

FROM ${BASE}
# setpriv and setsid of util-linux bind the agent's processes to the daemon's life.
RUN command -v setpriv && command -v setsid \
    && useradd --system --user-group --uid 9911 --home-dir /var/lib/sre-daemon sre-daemon \
    && install -d -m 0700 -o sre-daemon -g sre-daemon /var/lib/sre-daemon
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
