"""The other side of `main.rs`: reads, replaces or deletes a profile that Rust caches.

`REDIS_URL=redis://127.0.0.1 python profile.py read 7`, with `write` or `delete` in the place of `read`.
Needs the package `redis`.
"""

import json
import os
import sys

import redis


def main(verb: str, user: int) -> None:
    # redis-py calls a Unix socket `unix://`, Rust `redis+unix://`.
    url = os.environ["REDIS_URL"].replace("redis+unix://", "unix://")
    server = redis.Redis.from_url(url)
    # The prefix of the cache, the name of the function, the parts of the key.
    key = f"shared:profile:{user}"
    if verb == "read":
        stored = server.get(key)
        # While Rust loads it, its lease stands there, which is a JSON null.
        profile = json.loads(stored) if stored else None
        print(f"python  read     {profile}, ttl {server.ttl(key)}", flush=True)
    elif verb == "write":
        profile = {"name": f"user {user}", "points": 100}
        # A load that is under way in Rust is refused after this: it began before.
        server.set(key, json.dumps(profile), ex=600)
        print(f"python  wrote    {profile}", flush=True)
    elif verb == "delete":
        # Of a function with `stale`, first `shared:refresh:{key}` with the whole key in the braces.
        print(f"python  deleted  {server.unlink(key)}", flush=True)
    else:
        sys.exit(f"`{verb}` is none of read, write, delete")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
