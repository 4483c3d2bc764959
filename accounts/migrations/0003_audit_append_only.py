"""The audit only grows: the database itself refuses to change, remove or empty its rows."""

from django.db import migrations

# Django's test runner empties all tables between tests, so TRUNCATE passes in the databases it makes (test_…).
FORWARD = r"""
CREATE FUNCTION accounts_refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit is append-only: % is refused', TG_OP USING ERRCODE = 'restrict_violation';
END
$$;
CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE
    ON accounts_auditentry FOR EACH ROW EXECUTE FUNCTION accounts_refuse_audit_change();
CREATE TRIGGER audit_not_emptied BEFORE TRUNCATE
    ON accounts_auditentry FOR EACH STATEMENT WHEN (NOT starts_with(current_database(), 'test_'))
    EXECUTE FUNCTION accounts_refuse_audit_change();
"""

BACKWARD = """
DROP TRIGGER audit_not_emptied ON accounts_auditentry;
DROP TRIGGER audit_append_only ON accounts_auditentry;
DROP FUNCTION accounts_refuse_audit_change();
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0002_access_change_trigger")]

    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
