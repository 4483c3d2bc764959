"""Triggers that tell every worker of a new revision or a changed secret, also when psql made it."""

from django.db import migrations

NOTIFY = """
CREATE FUNCTION routing_notify_catalogue() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify(
        'rainymodel_catalogue', (SELECT coalesce(max(number), 0)::text FROM routing_cataloguerevision)
    );
    RETURN NULL;
END $$;
CREATE TRIGGER routing_revision_changed
    AFTER INSERT OR UPDATE OR DELETE ON routing_cataloguerevision
    FOR EACH STATEMENT EXECUTE FUNCTION routing_notify_catalogue();
CREATE TRIGGER routing_secret_changed
    AFTER INSERT OR UPDATE OR DELETE ON routing_providersecret
    FOR EACH STATEMENT EXECUTE FUNCTION routing_notify_catalogue();
"""
SILENCE = """
DROP TRIGGER routing_secret_changed ON routing_providersecret;
DROP TRIGGER routing_revision_changed ON routing_cataloguerevision;
DROP FUNCTION routing_notify_catalogue();
"""


class Migration(migrations.Migration):
    dependencies = [("routing", "0001_catalogue")]
    operations = [migrations.RunSQL(NOTIFY, SILENCE)]
