#!/usr/bin/env python3
"""The encoding of keys, written again with nothing but Python's standard library.

Checks it against key_vectors.json, which the Rust tests check too: a program in another language
can compute the key of a value that a Rust function cached.
"""

import json
import pathlib
import unicodedata
from urllib.parse import quote


def name_char(char):
    escapes = char in ":@{}%" or unicodedata.category(char) == "Cc"
    return quote(char, safe="") if escapes else char


def separated(prefix):
    if not prefix:
        return ""
    return prefix + ("::" if ":" in prefix else ":")


def key(prefix, name, parts):
    return separated(prefix) + ":".join([name, *map(written, parts)])


def refresh(part):
    return f"{separated(part['prefix'])}refresh:{{{written(part)}}}"


def written(part):
    value = part.get("value")
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
        case "key":
            name = "".join(map(name_char, part["name"]))
            version = f"@{part['version']}" if part["version"] else ""
            return key(part["prefix"], name + version, part["parts"])
        case "function":
            return key(part["prefix"], part["path"].replace("::", "."), part["parts"])
    raise ValueError(f"no encoding of {part}")


def holds(part):
    has_refresh = "refresh" in part
    return written(part) == part["written"] and (
        not has_refresh or refresh(part) == part["refresh"]
    )


def main():
    vectors = json.loads(pathlib.Path(__file__).with_suffix(".json").read_text("utf-8"))
    failed = [part for part in vectors if not holds(part)]
    for part in failed:
        print(f"{part} is written {written(part)!r} here")
    print(f"key vectors: {len(vectors) - len(failed)} passed, {len(failed)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
