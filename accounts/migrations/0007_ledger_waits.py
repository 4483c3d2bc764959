"""The ledger's function says how long a window takes to have room for a request, and takes no use from the future."""

from importlib import import_module

from django.db import migrations

BEFORE = import_module("accounts.migrations.0004_ledger").SYNC.replace(
    "CREATE FUNCTION", "CREATE OR REPLACE FUNCTION"
)

# As before, and: uses later than a few seconds from now, from before Postgres' clock was set back, are in no window;
# where a request does not fit, the wait is until so many uses have left the window that it does.
SYNC = """
CREATE OR REPLACE FUNCTION accounts_ledger_sync(me uuid, asks jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    moment double precision := extract(epoch FROM clock_timestamp());
    horizon bigint := floor(moment * 4) - 241;
    latest bigint := floor(moment * 4) + 20;
    ask jsonb;
    last bigint;
    taken bigint;
    room bigint;
    need bigint;
    given bigint;
    short bigint;
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
                         WHERE name = ask->>'name'
                           AND CASE WHEN (ask->>'sliding')::boolean THEN period BETWEEN horizon AND latest
                                    ELSE period = (ask->>'period')::bigint END), 0)
             + coalesce((SELECT sum(amount) FROM accounts_lease
                         WHERE name = ask->>'name' AND period = (ask->>'period')::bigint AND lessee <> me), 0)
            INTO taken;
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
        wait := 0;
        IF given < need AND (ask->>'sliding')::boolean THEN
            short := coalesce((ask->>'single')::bigint, need) - greatest(room, 0);
            SELECT min(period) FILTER (WHERE freed >= short) INTO last
                FROM (SELECT period, sum(sum(amount)) OVER (ORDER BY period) AS freed FROM accounts_use
                      WHERE name = ask->>'name' AND period BETWEEN horizon AND latest GROUP BY period) AS leaving;
            wait := greatest(0, (last + 242) / 4.0 - moment);
        END IF;
        grants := grants || jsonb_build_array(jsonb_build_array(given, room - given, coalesce(wait, 1)));
    END LOOP;
    RETURN jsonb_build_object('now', moment, 'grants', grants, 'workers', (SELECT count(*) FROM accounts_lessee));
END
$$;
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0006_limits_of_accounts")]
    operations = [migrations.RunSQL(SYNC, BEFORE)]
