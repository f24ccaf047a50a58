"""The tables of a document that says what JSON looks like, and whether a value is as they say. Shared by the tests of --json
shapes (shapes.py) and of the kernel's lines (kernel.py).

A section `## name` of the document has tables whose first column are members: `a`, `a[].b`, `a.b`; the second is a kind."""
import re

KINDS = {"number": (int, float), "string": str, "bool": bool, "array": list, "object": dict, "any": object}


def shapes_of(document):
    """Section → member → kind."""
    shapes, section = {}, None
    for line in open(document, encoding="utf-8"):
        heading = re.match(r"## `?([^`\n]+)`?", line)
        if heading:
            section = shapes.setdefault(heading.group(1).strip(), {})
        row = re.match(r"\| `([^`]+)` \| ([^|]+) \|", line)
        if row and section is not None:
            section[row.group(1)] = row.group(2).strip()
    return shapes


def members(value, path=""):
    if isinstance(value, dict):
        for key, inner in value.items():
            name = f"{path}.{key}" if path else key
            yield name, inner
            yield from members(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield from members(inner, path + "[]")


def conforms(shape, value):
    """What is wrong with the value, or an empty string."""
    seen = set()
    for member, inner in members(value):
        open_ended = [m for m in shape if m == "*" and member not in shape or m.endswith(".*") and member.startswith(m[:-1])]
        inside_any = [m for m, kind in shape.items()
                      if re.split(r"[ ,]", kind)[0] == "any" and (member.startswith(m + ".") or member.startswith(m + "["))]
        if open_ended or inside_any:
            continue
        if member not in shape:
            return f"{member} is not documented"
        seen.add(member)
        kind = re.split(r"[ ,]", shape[member])[0]
        if not isinstance(inner, KINDS[kind]) or (kind == "number" and isinstance(inner, bool)):
            return f"{member} is {inner!r}, not a {kind}"
    for member, kind in shape.items():
        if "optional" not in kind and "." not in member and "[" not in member and member not in seen:
            return f"{member} is missing"
    return ""
