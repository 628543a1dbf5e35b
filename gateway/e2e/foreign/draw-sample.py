"""Draws calls by lot as docs/guides/auditing.md tells it: draw-sample.py ENTRIES.ndjson SIZE SEED COUNT prints their ids."""

import hashlib
import json
import sys

path, size, seed, count = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
decided, first = {}, {}
for line in open(path, encoding="utf-8"):
    entry = json.loads(line)
    leaf = json.loads(entry["leaf"])
    if leaf["body"]["kind"] == "decision":
        decided[entry["index"]] = leaf["call"]
        first.setdefault(leaf["call"], entry["index"])
places = list(range(size))
for turn in range(size):
    if count == 0:
        break
    lot = int.from_bytes(hashlib.sha256(f"{seed}:{turn}".encode()).digest()[:6], "big")
    taken = turn + lot % (size - turn)
    places[turn], places[taken] = places[taken], places[turn]
    call = decided.get(places[turn])
    if call is not None and first[call] == places[turn]:
        print(call)
        count -= 1
