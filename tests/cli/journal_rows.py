"""Rows of a run's journal, read by docs/journal.md alone: its tables of fields, types and words."""
import os, re

DOCUMENT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs", "journal.md")
TEXT = open(DOCUMENT, encoding="utf-8").read()
ENCODING = dict(re.findall(r"(?m)^\| (\w+) \| ([uis]) \|", TEXT))
TYPES = {int(number): (name, kind == "input", [f for f in re.split(r", ", fields.strip()) if f])
         for number, name, kind, fields in re.findall(r"(?m)^\| (\d+) \| (\w+) \| (input|fact) \| ?(.*)\|$", TEXT)}


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7f) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def events_of(body):
    """Each event of a row: (name, whether it is an input, {field: value}, its bytes)."""
    at = 0
    while at < len(body):
        begin = at
        number, at = varint(body, at)
        name, is_input, fields = TYPES[number]
        found = {}
        # In a body fields stand in the order of the table of fields.
        for field in sorted(fields, key=list(ENCODING).index):
            value, at = varint(body, at)
            if ENCODING[field] == "i":
                value = (value >> 1) ^ -(value & 1)
            if ENCODING[field] == "s":
                at, value = at + value, body[at:at + value]
            found[field] = value
        yield name, is_input, found, body[begin:at]
