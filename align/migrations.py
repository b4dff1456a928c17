"""The schema of an index's database, as numbered migrations: version n is what the first n of them make.

A migration that has been released is never changed; the next change is another one.
"""

from __future__ import annotations

MIGRATIONS: tuple[str, ...] = (
    # 1: documents, items, vectors, relations
    """
    CREATE TABLE setting (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
    CREATE TABLE document (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT NOT NULL, path TEXT NOT NULL, form TEXT NOT NULL, digest TEXT NOT NULL,
        external_id TEXT UNIQUE, text TEXT NOT NULL
    ) STRICT;
    CREATE INDEX document_by_digest ON document (digest, name);
    CREATE INDEX document_by_path ON document (path, name);
    CREATE TABLE item (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        document_number INTEGER NOT NULL REFERENCES document (number) ON DELETE CASCADE,
        document TEXT NOT NULL, lang TEXT NOT NULL, lang_confidence REAL NOT NULL,
        title TEXT NOT NULL, text TEXT NOT NULL,
        source TEXT, url TEXT, published TEXT,
        "start" INTEGER NOT NULL, "end" INTEGER NOT NULL, spans TEXT NOT NULL,
        related INTEGER NOT NULL DEFAULT 0,
        cluster TEXT
    ) STRICT;
    CREATE INDEX item_by_document ON item (document_number);
    CREATE INDEX item_by_cluster ON item (cluster);
    CREATE INDEX item_unrelated ON item (related) WHERE related = 0;
    CREATE TABLE vectors (
        item_number INTEGER PRIMARY KEY REFERENCES item (number) ON DELETE CASCADE,
        generation INTEGER NOT NULL,
        views BLOB NOT NULL, sentences BLOB NOT NULL, sentence_spans TEXT NOT NULL
    ) STRICT;
    CREATE INDEX vectors_by_generation ON vectors (generation);
    CREATE TABLE vectors_gone (item_number INTEGER PRIMARY KEY, generation INTEGER NOT NULL) STRICT;
    CREATE TABLE relation (
        a TEXT NOT NULL REFERENCES item (id) ON DELETE CASCADE,
        b TEXT NOT NULL REFERENCES item (id) ON DELETE CASCADE,
        kind TEXT NOT NULL, score REAL NOT NULL, evidence TEXT NOT NULL,
        PRIMARY KEY (a, b), CHECK (a < b)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX relation_by_b ON relation (b);
    CREATE TABLE page_line (line TEXT PRIMARY KEY, documents INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    """,
    # 2: stories with ids that last, their history, corrections, revisions, and what an item is recognised by
    """
    ALTER TABLE item ADD COLUMN seen_at TEXT NOT NULL DEFAULT '';
    ALTER TABLE item ADD COLUMN text_at TEXT NOT NULL DEFAULT '';
    UPDATE item SET seen_at = strftime('%Y-%m-%dT%H:%M:%f000+00:00'), text_at = strftime('%Y-%m-%dT%H:%M:%f000+00:00');
    CREATE TABLE revision (
        item TEXT NOT NULL REFERENCES item (id) ON DELETE CASCADE, number INTEGER NOT NULL,
        at TEXT NOT NULL, title TEXT NOT NULL, text TEXT NOT NULL, PRIMARY KEY (item, number)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE outdated (
        item TEXT NOT NULL REFERENCES item (id) ON DELETE CASCADE,
        revised TEXT NOT NULL REFERENCES item (id) ON DELETE CASCADE,
        PRIMARY KEY (item, revised)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX outdated_by_revised ON outdated (revised);

    ALTER TABLE document ADD COLUMN address TEXT;
    ALTER TABLE document ADD COLUMN source TEXT;
    ALTER TABLE document ADD COLUMN published TEXT;
    ALTER TABLE document ADD COLUMN text_digest TEXT;
    CREATE INDEX document_by_address ON document (address) WHERE address IS NOT NULL;
    CREATE INDEX document_by_moment ON document (source, published) WHERE address IS NOT NULL;
    CREATE INDEX item_by_document_name ON item (document);
    CREATE INDEX document_by_text ON document (text_digest, source) WHERE text_digest IS NOT NULL;
    CREATE TABLE alias (
        external_id TEXT PRIMARY KEY, digest TEXT NOT NULL,
        document_number INTEGER NOT NULL REFERENCES document (number) ON DELETE CASCADE
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX alias_by_document ON alias (document_number);

    ALTER TABLE relation RENAME TO former;
    CREATE TABLE relation (
        a TEXT NOT NULL REFERENCES item (id) ON DELETE CASCADE,
        b TEXT NOT NULL REFERENCES item (id) ON DELETE CASCADE,
        kind TEXT NOT NULL, score REAL NOT NULL, evidence TEXT NOT NULL, contained TEXT,
        UNIQUE (a, b), CHECK (a < b)
    ) STRICT;
    INSERT INTO relation SELECT a, b, kind, score, evidence, iif(kind = 'excerpt', json_extract(evidence, '$.contained'), NULL)
        FROM former ORDER BY a, b;
    DROP TABLE former;
    CREATE INDEX relation_edges ON relation (b, a, kind, score, contained);
    CREATE TABLE touched (item TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;

    CREATE TABLE cluster (number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, redirect TEXT) STRICT;
    CREATE TABLE change (
        number INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT NOT NULL, cluster TEXT NOT NULL,
        what TEXT NOT NULL, why TEXT NOT NULL, items TEXT NOT NULL, others TEXT NOT NULL
    ) STRICT;
    CREATE INDEX change_by_cluster ON change (cluster);
    CREATE INDEX change_by_time ON change (at);
    CREATE TABLE change_other (
        cluster TEXT NOT NULL, change_number INTEGER NOT NULL REFERENCES change (number),
        PRIMARY KEY (cluster, change_number)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE membership (
        item TEXT NOT NULL, since INTEGER NOT NULL, cluster TEXT, PRIMARY KEY (item, since)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX membership_by_cluster ON membership (cluster, since);
    INSERT INTO cluster (id) SELECT cluster FROM item WHERE cluster IS NOT NULL GROUP BY cluster ORDER BY min(number);
    INSERT INTO change (at, cluster, what, why, items, others)
        SELECT strftime('%Y-%m-%dT%H:%M:%f000+00:00'), cluster, 'created', 'ingest', json_group_array(id), '[]'
        FROM item WHERE cluster IS NOT NULL GROUP BY cluster ORDER BY min(number);
    INSERT INTO membership SELECT id, (SELECT coalesce(max(number), 0) FROM change), cluster FROM item WHERE cluster IS NOT NULL;
    INSERT INTO touched SELECT id FROM item WHERE cluster IS NULL AND related = 1;

    CREATE TABLE decision (
        number INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, items TEXT NOT NULL, rest TEXT NOT NULL,
        "by" TEXT NOT NULL, at TEXT NOT NULL, note TEXT NOT NULL, undone_at TEXT, undone_by TEXT
    ) STRICT;
    """,
    # 3: sentences that many items share
    """
    CREATE TABLE sentence (
        digest INTEGER NOT NULL, item TEXT NOT NULL REFERENCES item (id) ON DELETE CASCADE, PRIMARY KEY (digest, item)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX sentence_by_item ON sentence (item);
    CREATE TABLE sentence_left (digest INTEGER PRIMARY KEY) STRICT;
    CREATE TABLE frequent_sentence (digest INTEGER PRIMARY KEY, shared INTEGER NOT NULL) STRICT;
    """,
    # 4: lists by date and by words
    """
    CREATE INDEX item_by_day ON item (coalesce(julianday(published), 0), number);
    CREATE VIRTUAL TABLE item_words USING fts5 (title, text, content = 'item', content_rowid = 'number', tokenize = 'trigram');
    CREATE TRIGGER item_words_put AFTER INSERT ON item BEGIN
        INSERT INTO item_words (rowid, title, text) VALUES (new.number, new.title, new.text);
    END;
    CREATE TRIGGER item_words_gone AFTER DELETE ON item BEGIN
        INSERT INTO item_words (item_words, rowid, title, text) VALUES ('delete', old.number, old.title, old.text);
    END;
    CREATE TRIGGER item_words_changed AFTER UPDATE OF title, text ON item BEGIN
        INSERT INTO item_words (item_words, rowid, title, text) VALUES ('delete', old.number, old.title, old.text);
        INSERT INTO item_words (rowid, title, text) VALUES (new.number, new.title, new.text);
    END;
    INSERT INTO item_words (item_words) VALUES ('rebuild');
    """,
    # 5: comparisons of pairs, from which relations are settled; what is kept of a text; neighbourhoods
    """
    CREATE TABLE comparison (
        a TEXT NOT NULL REFERENCES item (id) ON DELETE CASCADE,
        b TEXT NOT NULL REFERENCES item (id) ON DELETE CASCADE,
        similarity REAL NOT NULL, by_key INTEGER NOT NULL, logit REAL NOT NULL, body BLOB NOT NULL,
        PRIMARY KEY (a, b), CHECK (a < b)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX comparison_by_b ON comparison (b);
    CREATE TABLE traits (
        item_number INTEGER PRIMARY KEY REFERENCES item (number) ON DELETE CASCADE, traits BLOB NOT NULL
    ) STRICT;
    CREATE TABLE neighbourhood (
        item_number INTEGER PRIMARY KEY REFERENCES item (number) ON DELETE CASCADE,
        run INTEGER NOT NULL, similarities BLOB NOT NULL, keys BLOB NOT NULL
    ) STRICT;
    CREATE INDEX neighbourhood_by_run ON neighbourhood (run);
    CREATE TABLE neighbour_left (item_number INTEGER NOT NULL, lang TEXT NOT NULL, views BLOB NOT NULL) STRICT;
    UPDATE item SET related = 0;
    """,
    # 6: comparisons by the items' numbers, so that an item's opinions are read in one go; all are worked out anew
    """
    DROP TABLE comparison;
    CREATE TABLE comparison (
        a INTEGER NOT NULL REFERENCES item (number) ON DELETE CASCADE,
        b INTEGER NOT NULL REFERENCES item (number) ON DELETE CASCADE,
        lang_a INTEGER NOT NULL, lang_b INTEGER NOT NULL, logit REAL NOT NULL, copy INTEGER NOT NULL,
        similarity REAL NOT NULL, by_key INTEGER NOT NULL, features BLOB NOT NULL, overlap BLOB,
        PRIMARY KEY (a, b)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX comparison_by_b ON comparison (b, a, lang_a, lang_b, logit, copy);
    DELETE FROM neighbourhood;
    UPDATE item SET related = 0;
    """,
    # 7: when an item got its keys, which is all that a reader follows
    """
    ALTER TABLE neighbourhood ADD COLUMN keyed INTEGER NOT NULL DEFAULT 0;
    UPDATE neighbourhood SET keyed = run;
    CREATE INDEX neighbourhood_by_keyed ON neighbourhood (keyed);
    """,
    # 8: names by their sound and the time between two items count: all is compared anew
    """
    DELETE FROM comparison;
    DELETE FROM traits;
    DELETE FROM neighbourhood;
    DELETE FROM neighbour_left;
    UPDATE item SET related = 0;
    """,
    # 9: relations as they were, for the state at a past moment; `since` and `until` like all times
    """
    ALTER TABLE relation ADD COLUMN since TEXT;
    CREATE TABLE relation_past (
        a TEXT NOT NULL, b TEXT NOT NULL, kind TEXT NOT NULL, score REAL NOT NULL, evidence TEXT NOT NULL,
        contained TEXT, since TEXT NOT NULL, until TEXT NOT NULL
    ) STRICT;
    CREATE INDEX relation_past_by_a ON relation_past (a);
    CREATE INDEX relation_past_by_b ON relation_past (b);
    CREATE TRIGGER relation_changed AFTER UPDATE ON relation
    WHEN old.kind <> 'related' AND (old.kind, old.score) IS NOT (new.kind, new.score) BEGIN
        INSERT INTO relation_past VALUES (old.a, old.b, old.kind, old.score, old.evidence, old.contained,
            coalesce(old.since, ''), new.since);
    END;
    CREATE TRIGGER relation_gone AFTER DELETE ON relation WHEN old.kind <> 'related' BEGIN
        INSERT INTO relation_past VALUES (old.a, old.b, old.kind, old.score, old.evidence, old.contained,
            coalesce(old.since, ''), strftime('%Y-%m-%dT%H:%M:%f000+00:00'));
    END;
    """,
    # 10: the quantities of an item's sentences, kept so that evidence need not read them again
    """
    CREATE TABLE quantities (
        item_number INTEGER PRIMARY KEY REFERENCES item (number) ON DELETE CASCADE, sentences BLOB NOT NULL
    ) STRICT;
    """,
    # 11: descriptions as columns, read many at a time; `views` and `sentences` only where a sentence does not count. They are filled in once
    """
    DROP TABLE traits;
    CREATE TABLE traits (
        item_number INTEGER PRIMARY KEY REFERENCES item (number) ON DELETE CASCADE,
        keys BLOB NOT NULL, words BLOB NOT NULL, word_weights BLOB NOT NULL, numbers BLOB NOT NULL, names BLOB NOT NULL,
        shingles BLOB NOT NULL, sentence_weights BLOB NOT NULL, length INTEGER NOT NULL, views BLOB, sentences BLOB
    ) STRICT;
    """,
    # 12: who came into which neighbourhoods, a row a run, so that not every neighbourhood that changes is written anew
    """
    CREATE TABLE neighbour_push (
        run INTEGER PRIMARY KEY, numbers BLOB NOT NULL, slots BLOB NOT NULL, similarities BLOB NOT NULL
    ) STRICT;
    """,
)
