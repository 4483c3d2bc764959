"""Burials of dead workers wait for each other, and write in one order: two at once cannot block each other for good."""

from importlib import import_module

from django.db import migrations

BEFORE = import_module("accounts.migrations.0004_ledger").BURY.replace(
    "CREATE FUNCTION", "CREATE OR REPLACE FUNCTION"
)

# As before, but: one burial at a time; the uses of all dead workers in one statement, by name and period, as those
# of lost requests are booked; and of what is removed nothing that somebody else is writing, which comes off next time.
BURY = """
CREATE OR REPLACE FUNCTION accounts_ledger_bury(leaving uuid) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    dead uuid[];
    moment double precision := extract(epoch FROM clock_timestamp());
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('accounts_ledger_bury', 0));
    WITH gone AS (
        DELETE FROM accounts_lessee
        WHERE id IN (SELECT id FROM accounts_lessee
                     WHERE id = leaving OR seen_at < clock_timestamp() - interval '30 seconds' FOR UPDATE SKIP LOCKED)
        RETURNING id
    )
    SELECT array_agg(id) INTO dead FROM gone;
    DELETE FROM accounts_lease WHERE lessee = ANY(dead);
    WITH left_behind AS (DELETE FROM accounts_use WHERE lessee = ANY(dead) RETURNING name, period, amount)
    INSERT INTO accounts_use (name, period, lessee, amount)
        SELECT name, period, '00000000-0000-0000-0000-000000000000', sum(amount) FROM left_behind
        GROUP BY name, period ORDER BY name, period
        ON CONFLICT (name, period, lessee) DO UPDATE SET amount = accounts_use.amount + excluded.amount;
    DELETE FROM accounts_use WHERE ctid = ANY(ARRAY(
        SELECT ctid FROM accounts_use
        WHERE (period > 1000000000 AND period < floor(moment * 4) - 480)
           OR (name LIKE '%:day' AND period < floor(moment / 86400) - 40)
           OR (name LIKE '%:month' AND period < floor(moment / 2629746) - 4)
        FOR UPDATE SKIP LOCKED));
END
$$;
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0008_largest_request")]
    operations = [migrations.RunSQL(BURY, BEFORE)]
