"""Leases and uses of limits: written by workers in plain SQL, so that no model stands for them."""

from django.db import migrations

TABLES = """
CREATE TABLE accounts_lessee (
    id uuid PRIMARY KEY,
    seen_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE TABLE accounts_lease (
    name text NOT NULL,
    period bigint NOT NULL,
    lessee uuid NOT NULL,
    amount bigint NOT NULL,
    PRIMARY KEY (name, period, lessee)
);
CREATE TABLE accounts_use (
    name text NOT NULL,
    period bigint NOT NULL,
    lessee uuid NOT NULL,
    amount bigint NOT NULL,
    PRIMARY KEY (name, period, lessee)
);
CREATE INDEX accounts_lease_lessee ON accounts_lease (lessee);
CREATE INDEX accounts_use_lessee ON accounts_use (lessee);
"""

# For each ask: write what this worker holds and has used, then give it what there is. A sliding window reaches back
# 60.25 s (241 quarters of a second), so that uses counted by the quarter are never over the limit in any 60 s.
# Whoever takes locks the name first; sums of both tables are read by one statement, hence at one moment.
SYNC = """
CREATE FUNCTION accounts_ledger_sync(me uuid, asks jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    moment double precision := extract(epoch FROM clock_timestamp());
    horizon bigint := floor(moment * 4) - 241;
    ask jsonb;
    oldest bigint;
    taken bigint;
    room bigint;
    need bigint;
    given bigint;
    wait double precision;
    grants jsonb := '[]';
BEGIN
    UPDATE accounts_lessee SET seen_at = clock_timestamp() WHERE id = me;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    FOR ask IN SELECT value FROM jsonb_array_elements(asks) LOOP
        need := (ask->>'need')::bigint;
        IF need > 0 THEN
            PERFORM pg_advisory_xact_lock(hashtextextended(ask->>'name', 0));
        END IF;
        INSERT INTO accounts_use (name, period, lessee, amount)
            SELECT ask->>'name', (one->>0)::bigint, me, (one->>1)::bigint FROM jsonb_array_elements(ask->'use') AS one
            ON CONFLICT (name, period, lessee) DO UPDATE SET amount = excluded.amount;
        SELECT coalesce((SELECT sum(amount) FROM accounts_use
                         WHERE name = ask->>'name' AND CASE WHEN (ask->>'sliding')::boolean THEN period >= horizon
                                                            ELSE period = (ask->>'period')::bigint END), 0)
             + coalesce((SELECT sum(amount) FROM accounts_lease
                         WHERE name = ask->>'name' AND period = (ask->>'period')::bigint AND lessee <> me), 0),
               (SELECT min(period) FROM accounts_use WHERE name = ask->>'name' AND period >= horizon)
            INTO taken, oldest;
        room := (ask->>'limit')::bigint - taken - (ask->>'outstanding')::bigint;
        given := greatest(0, least(room, need + least((ask->>'extra')::bigint, greatest(0, (room - need) / 8))));
        IF need = 0 THEN
            given := 0;
        END IF;
        IF (ask->>'outstanding')::bigint + given > 0 THEN
            INSERT INTO accounts_lease (name, period, lessee, amount)
                VALUES (ask->>'name', (ask->>'period')::bigint, me, (ask->>'outstanding')::bigint + given)
                ON CONFLICT (name, period, lessee) DO UPDATE SET amount = excluded.amount;
        ELSE
            DELETE FROM accounts_lease
                WHERE name = ask->>'name' AND period = (ask->>'period')::bigint AND lessee = me;
        END IF;
        wait := CASE WHEN oldest IS NULL THEN 0 ELSE greatest(0, (oldest + 242) / 4.0 - moment) END;
        grants := grants || jsonb_build_array(jsonb_build_array(given, room - given, wait));
    END LOOP;
    RETURN jsonb_build_object('now', moment, 'grants', grants, 'workers', (SELECT count(*) FROM accounts_lessee));
END
$$;
"""

# The leases of workers silent for 30 s (or of one that says goodbye) end; their uses go to nobody's account (the nil
# UUID). What no limit asks for any more is removed: buckets after two minutes, days after 40, months after 3.
BURY = """
CREATE FUNCTION accounts_ledger_bury(leaving uuid) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    dead uuid;
    moment double precision := extract(epoch FROM clock_timestamp());
BEGIN
    FOR dead IN
        DELETE FROM accounts_lessee
        WHERE id IN (SELECT id FROM accounts_lessee
                     WHERE id = leaving OR seen_at < clock_timestamp() - interval '30 seconds' FOR UPDATE SKIP LOCKED)
        RETURNING id
    LOOP
        DELETE FROM accounts_lease WHERE lessee = dead;
        WITH left_behind AS (DELETE FROM accounts_use WHERE lessee = dead RETURNING name, period, amount)
        INSERT INTO accounts_use (name, period, lessee, amount)
            SELECT name, period, '00000000-0000-0000-0000-000000000000', amount FROM left_behind
            ON CONFLICT (name, period, lessee) DO UPDATE SET amount = accounts_use.amount + excluded.amount;
    END LOOP;
    DELETE FROM accounts_use WHERE period > 1000000000 AND period < floor(moment * 4) - 480;
    DELETE FROM accounts_use WHERE name LIKE '%:day' AND period < floor(moment / 86400) - 40;
    DELETE FROM accounts_use WHERE name LIKE '%:month' AND period < floor(moment / 2629746) - 4;
END
$$;
"""
UNDO = """
DROP FUNCTION accounts_ledger_sync; DROP FUNCTION accounts_ledger_bury;
DROP TABLE accounts_lessee; DROP TABLE accounts_lease; DROP TABLE accounts_use;
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0003_audit_append_only")]
    operations = [migrations.RunSQL(TABLES + SYNC + BURY, UNDO)]
