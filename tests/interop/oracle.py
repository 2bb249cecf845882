"""The real engine, as a child process of the interop tests.

    oracle.py write DIR SHAPE [SEED]   make a database of a shape (see SHAPES), dump it
    oracle.py check DIR                open, verify every table, dump
    oracle.py modify DIR SEED          change rows of every table over several checkpoints, dump
    oracle.py shapes                   names of the shapes, one a line
    oracle.py configs SHAPE            URI and configuration of each table of a shape, one a line
    oracle.py indices-make DIR         make the table of tests/interop/indices.rs with groups and indices
    oracle.py indices-change DIR SEED  change it and make one more index, dump all objects
    oracle.py indices-check DIR        verify it, compare every index with the table, dump
    oracle.py version                  the engine's version

A dump goes to standard output, one line a table and one line a row, raw bytes in hexadecimal:

    table URI KEY_FORMAT VALUE_FORMAT
    row KEY VALUE
    verified URI

ORACLE_OPEN in the environment is appended to the configuration of every open: extensions, keys.

The engine is a diagnostic build: it aborts the process on some errors, which the tests see as a failed run.
"""

import os
import random
import struct
import sys

import wiredtiger
from wiredtiger import wiredtiger_open
from wiredtiger.packing import pack

# --- shapes: name -> list of (URI, configuration, rows(random)) ----------------------------


def name(number):
    return f"name {number}"


def text(number):
    return f"key{number:08d}".encode()


def noise(rand, low, high):
    return rand.randbytes(rand.randint(low, high))


def small_rows(rand, count=1000):
    return [(text(n), noise(rand, 0, 40)) for n in range(count)]


def named_rows(rand, count=1000):
    return [(name(n), noise(rand, 0, 40)) for n in range(count)]


def spread_rows(rand, count=300):
    """Random binary keys of many lengths."""
    keys = {noise(rand, 1, 60) for _ in range(count)}
    return [(key, noise(rand, 0, 200)) for key in sorted(keys)]


def large_rows(rand, count=40):
    return [(text(n), noise(rand, 2000, 30000)) for n in range(count)]


def overflow_rows(rand, count=60):
    """Keys and values on both sides of the sizes from which they go to blocks of their own."""
    return [(text(n) * rand.choice([1, 1, 40, 400]), noise(rand, 0, 20) * rand.choice([1, 10, 500, 5000])) for n in range(count)]


def prefix_rows(rand, count=2000):
    return [(b"a/long/common/prefix/of/every/key/" + struct.pack(">I", n * 7), noise(rand, 0, 30)) for n in range(count)]


def integer_rows(rand, count=500):
    numbers = {0, 1, -1, 63, 64, 8255, 8256, -64, -65, 2**31, -(2**31), 2**63 - 1, -(2**63)}
    numbers |= {rand.randint(-(2**62), 2**62) for _ in range(count)}
    return [(n, name(n)) for n in sorted(numbers)]


def no_rows(rand):
    return []


U = "key_format=u,value_format=u"
S = "key_format=S,value_format=u"
SMALL_PAGES = ",allocation_size=512B,internal_page_max=512B,leaf_page_max=1KB"

SHAPES = {
    "empty": [("table:empty", U, no_rows)],
    "small": [("table:small", U, small_rows)],
    "binary-keys": [("table:spread", U, spread_rows)],
    "text": [("table:text", S, named_rows), ("table:texts", "key_format=S,value_format=S", lambda rand: [(name(n), name(n * 3)) for n in range(700)])],
    "integers": [("table:integers", "key_format=q,value_format=S", integer_rows)],
    "large-values": [("table:large", U, large_rows)],
    "overflow": [("table:overflow", U + SMALL_PAGES, overflow_rows), ("table:limits", U + ",leaf_key_max=100,leaf_value_max=300", overflow_rows)],
    "prefix": [
        ("table:plain", U + SMALL_PAGES, prefix_rows),
        ("table:prefix", U + SMALL_PAGES + ",prefix_compression=true,prefix_compression_min=0", prefix_rows),
        ("table:whole", U + SMALL_PAGES + ",internal_key_truncate=false", prefix_rows),
    ],
    "dictionary": [("table:dictionary", U + ",dictionary=100", lambda rand: [(text(n), bytes([n % 5]) * 50) for n in range(800)])],
    "several-tables": [(f"table:t{n}", U, (lambda n: lambda rand: small_rows(rand, n * 50))(n)) for n in range(12)],
    "pages": [("table:pages", U + ",allocation_size=512B,internal_page_max=512B,leaf_page_max=512B", lambda rand: small_rows(rand, 24000))],
    "file-objects": [("file:bare.wt", U, small_rows), ("file:no-suffix", S, named_rows)],
}

# Tables whose blocks are transformed or whose order is a collator's: they need extensions, which the tests name.


def repetitive_rows(rand, count=400):
    """Values that compress well, that do not, and that are longer than a page."""
    kinds = [lambda n: b"%d times over " % n * rand.randint(1, 60), lambda n: noise(rand, 0, 300), lambda n: b"long " * 4000]
    return [(text(n), rand.choice(kinds[:2] if n % 40 else kinds)(n)) for n in range(count)]


def signed_rows(rand, count=400):
    return [(n * 77 - 9000, name(n)) for n in range(count)]


def compressed(compressors, more=""):
    return [(f"table:{compressor}", f"{U},block_compressor={compressor},allocation_size=512B,leaf_page_max=8KB{more}", repetitive_rows) for compressor in compressors]


TRANSFORMED = {
    "compressed": compressed(["snappy", "lz4", "zlib", "zstd", "nop"]),
    "collated": [
        ("table:reverse", S + ",collator=reverse" + SMALL_PAGES, named_rows),
        ("table:bytes", U + ",collator=reverse,prefix_compression=true", prefix_rows),
        ("table:revint", "key_format=q,value_format=S,collator=revint" + SMALL_PAGES, signed_rows),
    ],
    "rotated": compressed(["none", "snappy"])
    + [
        ("table:key", U + ",encryption=(name=rotn,keyid=21)", repetitive_rows),
        ("table:clear", U + ",encryption=(name=none)", repetitive_rows),
        ("table:sums", U + ",checksum=unencrypted,leaf_value_max=100", repetitive_rows),
    ],
    "sealed": compressed(["none", "zlib"]) + [("table:clear", U + ",encryption=(name=none)", repetitive_rows)],
}
ALL = SHAPES | TRANSFORMED

# --- the engine --------------------------------------------------------------------------------------------------------


OPEN = os.environ.get("ORACLE_OPEN", "")


def open_home(home, config=""):
    return wiredtiger_open(home, f"create,cache_size=200MB,{config},{OPEN}")


def uris(session):
    """Row-store tables, and files that belong to no table."""
    cursor = session.open_cursor("metadata:create")
    tables, files, sources = [], [], set()
    for key, value in iter(lambda: step(cursor), None):
        if key.startswith("table:"):
            tables.append(key)
            sources.add("file:" + key[len("table:"):] + ".wt")
        elif key.startswith("file:") and key != "file:WiredTigerHS.wt":
            files.append(key)
    cursor.close()
    return sorted(tables + [file for file in files if file not in sources])


def packed(format, value):
    """The bytes that the engine holds for a value of one of the formats used here."""
    match format:
        case "u":
            return bytes(value)
        case "S":
            return value.encode() + b"\0"
        case "q":
            return bytes(pack("q", value))


def step(cursor):
    return (cursor.get_key(), cursor.get_value()) if cursor.next() == 0 else None


def dump(session, out):
    for uri in uris(session):
        cursor = session.open_cursor(uri)
        out.write(f"table {uri} {cursor.key_format} {cursor.value_format}\n")
        for key, value in iter(lambda: step(cursor), None):
            out.write(f"row {packed(cursor.key_format, key).hex()} {packed(cursor.value_format, value).hex()}\n")
        cursor.close()


def insert_all(session, uri, rows):
    cursor = session.open_cursor(uri)
    for key, value in rows:
        cursor.set_key(key)
        cursor.set_value(value)
        cursor.insert()
    cursor.close()


def edit(session, uri, rand):
    """Updates, removes and inserts beside existing keys; a checkpoint after each third, so that blocks are freed and reused."""
    cursor = session.open_cursor(uri)
    key_format, value_format = cursor.key_format, cursor.value_format
    keys = [key for key, _ in iter(lambda: step(cursor), None)]

    def value(low, high):
        return name(rand.randint(low, high)) if value_format == "S" else noise(rand, low, high)

    def insert(key, value):
        cursor.set_key(key)
        cursor.set_value(value)
        cursor.insert()

    def remove(key):
        cursor.set_key(key)
        cursor.remove()

    for _ in range(3):
        for key in rand.sample(keys, len(keys) // 10):
            insert(key, value(0, 60))
        for key in rand.sample(keys, len(keys) // 10):
            remove(key)
        # A run of neighbours, so that whole pages become empty.
        start = rand.randrange(len(keys)) if keys else 0
        for key in keys[start : start + len(keys) // 5]:
            remove(key)
        for key in rand.sample(keys, min(len(keys), 20)):
            insert({"u": lambda: key + b"x", "S": lambda: key + "x", "q": lambda: key // 2}[key_format](), value(0, 5000))
        session.checkpoint()
    cursor.close()


def verify_all(session, out):
    for uri in uris(session):
        session.verify(uri)
        out.write(f"verified {uri}\n")


def write(home, shape, seed):
    rand = random.Random(f"{shape} {seed}")
    connection = open_home(home)
    session = connection.open_session()
    for uri, config, rows in ALL[shape]:
        session.create(uri, config)
        insert_all(session, uri, rows(rand))
    session.checkpoint()
    if seed:
        for uri, _, _ in ALL[shape]:
            edit(session, uri, rand)
    dump(session, sys.stdout)
    connection.close()


def check(home):
    # `error` where the tables must not need recovery: hardwired shuts down cleanly.
    connection = wiredtiger_open(home, "log=(recover=error)," + OPEN)
    session = connection.open_session()
    verify_all(session, sys.stdout)
    dump(session, sys.stdout)
    connection.close()


def modify(home, seed):
    rand = random.Random(f"modify {seed}")
    connection = wiredtiger_open(home, OPEN)
    session = connection.open_session()
    for uri in uris(session):
        edit(session, uri, rand)
    dump(session, sys.stdout)
    connection.close()


# --- a table with column groups and indices ------------------------------------------------

INDICES = {"place": "city,zip", "name": "name,zip", "blob": "blob", "all": "blob,id,city,name,zip"}
COLUMNS = ["id", "name", "city", "zip", "blob"]


def raw_dump(session, out):
    cursor = session.open_cursor("metadata:create")
    names = [key for key, _ in iter(lambda: step(cursor), None)]
    cursor.close()
    for uri in names:
        if not uri.startswith(("table:", "colgroup:", "index:")):
            continue
        cursor = session.open_cursor(uri, None, "raw")
        out.write(f"table {uri} u u\n")
        while cursor.next() == 0:
            # The packed bytes; `get_key` would unpack them.
            out.write(f"row {bytes(cursor._get_key()).hex()} {bytes(cursor._get_value()).hex()}\n")
        cursor.close()


def compare_indices(session):
    """Every index must hold exactly what follows from the table."""
    cursor = session.open_cursor("table:t")
    records = []
    while cursor.next() == 0:
        records.append(dict(zip(COLUMNS, [*cursor.get_key(), *cursor.get_value()])))
    cursor.close()
    cursor = session.open_cursor("metadata:create")
    indices = [key for key, _ in iter(lambda: step(cursor), None) if key.startswith("index:t:")]
    cursor.close()
    for uri in indices:
        cursor = session.open_cursor(f"{uri}(id,name,city,zip,blob)")
        found = []
        while cursor.next() == 0:
            found.append(tuple(cursor.get_value()))
        cursor.close()
        if sorted(found) != sorted(tuple(record.values()) for record in records):
            sys.exit(f"{uri} does not hold what the table holds")


def indices_make(home):
    connection = open_home(home)
    session = connection.open_session()
    session.create("table:t", "key_format=iS,value_format=Siu,columns=(id,name,city,zip,blob),colgroups=(main,extra)")
    session.create("colgroup:t:main", "columns=(city,zip)")
    session.create("colgroup:t:extra", "columns=(blob)")
    for index in ["place", "name"]:
        session.create(f"index:t:{index}", f"columns=({INDICES[index]})")
    connection.close()


def indices_change(home, seed):
    rand = random.Random(f"indices {seed}")
    connection = open_home(home)
    session = connection.open_session()
    cursor = session.open_cursor("table:t")
    for turn in range(600):
        # Without this the engine takes a search's key for the second group in the next call: a fault of 11.3.1.
        cursor.reset()
        cursor.set_key(rand.randint(-150, 150), rand.choice(["ann", "bob"]))
        if rand.random() < 0.25:
            if cursor.search() == 0:
                cursor.remove()
        else:
            cursor.set_value(rand.choice(["bern", "oslo", "rome"]), rand.randint(-3, 3), noise(rand, 0, 4))
            cursor.insert()
        if turn % 200 == 0:
            session.checkpoint()
    cursor.close()
    for index in list(INDICES)[2 : 2 + seed]:
        session.create(f"index:t:{index}", f"columns=({INDICES[index]})")
    raw_dump(session, sys.stdout)
    connection.close()


def indices_check(home):
    connection = wiredtiger_open(home, "log=(recover=error)")
    session = connection.open_session()
    session.verify("table:t")
    compare_indices(session)
    raw_dump(session, sys.stdout)
    connection.close()


def main(arguments):
    # The package prints its own messages to standard error; a row must never wait behind them.
    match arguments:
        case ["write", home, shape, *seed]:
            write(home, shape, int(seed[0]) if seed else 0)
        case ["check", home]:
            check(home)
        case ["modify", home, seed]:
            modify(home, int(seed))
        case ["shapes"]:
            print("\n".join(SHAPES))
        case ["configs", shape]:
            print("\n".join(f"{uri} {config}" for uri, config, _ in ALL[shape]))
        case ["indices-make", home]:
            indices_make(home)
        case ["indices-change", home, seed]:
            indices_change(home, int(seed))
        case ["indices-check", home]:
            indices_check(home)
        case ["version"]:
            print(wiredtiger.wiredtiger_version()[0])
        case _:
            sys.exit(__doc__)
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
