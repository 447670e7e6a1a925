#!/usr/bin/env python3
"""The encoding of key parts, written again with nothing but Python's standard library.

Checks it against key_vectors.json, which the Rust tests check too: a program in another language
can compute the key of a value that a Rust function cached.
"""

import json
import pathlib
from urllib.parse import quote


def written(part):
    value = part["value"]
    match part["type"]:
        case "text":
            return quote(value, safe="") or "%"
        case "integer":
            return str(value)
        case "bool":
            return "true" if value else "false"
        case "option":
            return "!" if value is None else "+" + written(value)
        case "list":
            return "[" + ",".join(map(written, value)) + "]"
        case "tuple":
            return "(" + ",".join(map(written, value)) + ")"
        case "variant":
            fields = ",".join(map(written, value))
            return quote(part["name"], safe="") + (f"({fields})" if value else "")
    raise ValueError(f"no encoding of {part}")


def main():
    vectors = json.loads(pathlib.Path(__file__).with_suffix(".json").read_text("utf-8"))
    failed = [part for part in vectors if written(part) != part["written"]]
    for part in failed:
        print(f"{part} is written {written(part)!r} here")
    print(f"key vectors: {len(vectors) - len(failed)} passed, {len(failed)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
