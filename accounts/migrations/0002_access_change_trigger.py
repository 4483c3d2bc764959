"""Every change of a key or a user, by whatever means, raises one number and tells the workers."""

from django.db import migrations

# last_used_at, last_login and last_sign_in are left out: they change by use and concern no worker. A migration that
# adds a column which decides what a key may do adds it here, by making the trigger again.
KEY_COLUMNS = """
    id, kid, secret_hash, owner_id, label, expires_at, revoked_at, aliases, policies, highest_tier, direct_calls,
    requests_per_minute, tokens_per_minute, concurrent_requests, usd_per_day, usd_per_month, networks, store_prompts
"""
USER_COLUMNS = "id, username, email, role, is_active"

# The row is made when it is missing: tests empty all tables, a restored database may lack it.
FORWARD = f"""
CREATE FUNCTION accounts_note_access_change() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    now_at bigint;
BEGIN
    INSERT INTO accounts_accesschange AS row (id, number) VALUES (1, 1)
        ON CONFLICT (id) DO UPDATE SET number = row.number + 1
        RETURNING number INTO now_at;
    PERFORM pg_notify('rainymodel_access', now_at::text);
    RETURN NULL;
END
$$;
CREATE TRIGGER access_change AFTER INSERT OR DELETE OR UPDATE OF {KEY_COLUMNS}
    ON accounts_apikey FOR EACH STATEMENT EXECUTE FUNCTION accounts_note_access_change();
CREATE TRIGGER access_change AFTER INSERT OR DELETE OR UPDATE OF {USER_COLUMNS}
    ON accounts_user FOR EACH STATEMENT EXECUTE FUNCTION accounts_note_access_change();
INSERT INTO accounts_accesschange (id, number) VALUES (1, 0);
"""

BACKWARD = """
DROP TRIGGER access_change ON accounts_user;
DROP TRIGGER access_change ON accounts_apikey;
DROP FUNCTION accounts_note_access_change();
DELETE FROM accounts_accesschange;
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0001_people_and_keys")]

    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
