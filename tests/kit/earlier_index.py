"""Makes the index of a node of an earlier version, in which version LIVE of a model was promoted:
earlier_index.py MIGRATIONS LAST DATA MODEL LIVE. LAST is the last migration that it knew."""

import hashlib
import pathlib
import sqlite3
import sys

migrations, last, data, model, live = sys.argv[1:]
data = pathlib.Path(data)
data.mkdir(parents=True, exist_ok=True)
index = sqlite3.connect(data / "index.db")
# As sqlx keeps it (sqlx-sqlite, src/migrate.rs).
index.execute(
    "CREATE TABLE _sqlx_migrations (version BIGINT PRIMARY KEY, description TEXT NOT NULL,"
    " installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, success BOOLEAN NOT NULL,"
    " checksum BLOB NOT NULL, execution_time BIGINT NOT NULL)"
)
for file in sorted(pathlib.Path(migrations).glob("*.sql")):
    number, _, description = file.stem.partition("_")
    if int(number) > int(last):
        break
    text = file.read_bytes()
    index.executescript(text.decode())
    index.execute(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)"
        " VALUES (?, ?, 1, ?, 0)",
        (int(number), description.replace("_", " "), hashlib.sha384(text).digest()),
    )
# It is whole.
index.execute("DELETE FROM rebuilding")
index.execute(
    "INSERT INTO model_changes (at, model, change, before, live, asked_by, why, state, ended_at)"
    " VALUES (5, ?, 'promote', '1', ?, 'anna', '', 'taken', 6)",
    (model, live),
)
index.commit()
index.close()
