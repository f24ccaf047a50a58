#!/usr/bin/env python3
"""test_rules.py ROOT: every rule of the kernel (docs/spec/02-kernel.md) is cited by the title of a test: by the name of a C test, as
k31a__a_hit_spends_no_quota, or in the words of a script's, as [K62, K70] or [K30-K34]."""
import glob
import os
import re
import sys

ROOT = sys.argv[1]
RULE = re.compile(r'^- \[(K\d+[a-z]?)\]', re.M)
NAME = re.compile(r'^static void k(\d+[a-z]?)__\w+\(void', re.M)
TITLE = re.compile(r"""^\s*(?:@case|claim|ok|T|check)\((["'])(.*?)\1""", re.M)


def cited_in(title):
    for inner in re.findall(r'\[([^\]]*)\]', title):
        for first, last in re.findall(r'K(\d+)\s*[–-]\s*K(\d+)', inner):
            yield from ('K%d' % n for n in range(int(first), int(last) + 1))
        yield from re.findall(r'K\d+[a-z]?', inner)


def cited(root):
    found = set()
    for path in glob.glob(os.path.join(root, 'tests', '**', '*.*'), recursive=True):
        if not path.endswith(('.c', '.py')):
            continue
        with open(path, errors='replace') as file:
            text = file.read()
        found.update('K' + number for number in NAME.findall(text))
        for _, title in TITLE.findall(text):
            found.update(cited_in(title))
    return found


with open(os.path.join(ROOT, 'docs', 'spec', '02-kernel.md')) as spec:
    rules = RULE.findall(spec.read())
found = cited(ROOT)
missing = [rule for rule in rules if rule not in found]
print('# figure: %d rules of the kernel, %d cited by titles of tests' % (len(rules), len(rules) - len(missing)))
print('%sok - every rule of docs/spec/02-kernel.md is cited by the title of a test%s'
      % ('not ' if missing or len(rules) < 30 else '', ': not ' + ', '.join(missing) if missing else ''))
sys.exit(1 if missing or len(rules) < 30 else 0)
