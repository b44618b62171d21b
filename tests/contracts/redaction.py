"""What both redactors must do: secrets, what is left of them, and texts that only look like some."""

KEY = b"k" * 32
PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA7\n-----END RSA PRIVATE KEY-----"

# Text to the part of it that may not be left. Each is a form that leaks have had.
SECRETS = {
    "connect postgres://demo:hunter2@db/x": "hunter2",
    "amqp://u:p%40ss@mq:5672/": "p%40ss",
    "password=hunter2 user=x": "hunter2",
    "DB_PASSWORD: hunter2": "hunter2",
    "PGPASSWORD=hunter2 psql": "hunter2",
    "password = 'two words'": "two words",
    'secret => "two words"': "two words",
    '{"api_key": "abc", "a": 1}': "abc",
    '{"clientSecret":"abc-def"}': "abc-def",
    "mysql --password hunter2 -h db": "hunter2",
    "tool --api-key abc123": "abc123",
    "ALTER USER demo PASSWORD 'hunter2'": "hunter2",
    "CREATE USER x IDENTIFIED BY 'hunter2'": "hunter2",
    "Authorization: Bearer abcdefghijkl": "abcdefghijkl",
    "authorization=Basic dXNlcjpwYXNz": "dXNlcjpwYXNz",
    "Proxy-Authorization: Basic dXNlcjpwYXNz": "dXNlcjpwYXNz",
    "Authorization: Token token=abcdefghijkl": "abcdefghijkl",
    "curl -H 'Authorization: Bearer abcdefghijklmno'": "abcdefghijklmno",
    "sent bearer abcdefghijklmnop": "abcdefghijklmnop",
    "Set-Cookie: sid=abc123; Path=/": "abc123",
    "Cookie: session=abc123": "abc123",
    "https://x/?access_token=abc&b=1": "=abc",
    "POST https://hooks.slack.com/services/T0/B0/abcdefgh": "abcdefgh",
    "id AKIAABCDEFGHIJKLMNOP": "AKIAABCDEFGHIJKLMNOP",
    "ghp_0123456789abcdefghijABCDEFGHIJ012345": "ghp_0",
    "github_pat_0123456789abcdefghijABCD": "github_pat",
    "glpat-0123456789abcdefghij": "glpat",
    "xoxb-1234567890-abcdefghij": "xoxb",
    "sk-ant-api03-0123456789abcdefghij": "sk-ant",
    "sk_live_0123456789abcdef": "sk_live",
    "AIzaSyA0123456789abcdefghijklmnopqrstuv": "AIza",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abc-def": "eyJ",
    "npm_0123456789abcdefghij0123456789abcdef": "npm_",
    "hvs.CAESI0123456789abcdefghij": "hvs",
    f"key:\n{PEM}\nafter": "MIIEpAIBAAKCAQEA7",
    "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXk cut off": "b3BlbnNzaC1rZXk",
    '{"pem": "-----BEGIN PRIVATE KEY-----\\nMIIEabc\\n-----END PRIVATE KEY-----"}': "MIIEabc",
    "password=***realsecret": "realsecret",
    "the known one is Tr0ub4dor&3 here": "Tr0ub4dor",
}
KNOWN = ("Tr0ub4dor&3", "postgres", "short1")

PLAIN = (
    "FATAL: password authentication failed for user demo",
    "Basic authentication failed for user",
    "max_tokens=4096 output tokens: 12",
    "pool of size 1 exhausted, 20 waiting",
    "https://prometheus:9090/graph?g0.expr=up",
    "the postgres service and short1 are words",
    "sha256 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "git commit 7f3d2e1c0b9a by alice@example.com",
    "",
)
