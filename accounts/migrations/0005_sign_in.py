"""Break-glass links; workers hear of sign-ins that wake keys, and of whom a subject stands for."""

from django.db import migrations, models

# As in 0002, with what an access token is looked up by.
USER_COLUMNS = "id, username, email, role, is_active, issuer, subject"
USER_COLUMNS_BEFORE = "id, username, email, role, is_active"

# Keys pause after days without a sign-in, so one that follows within the day wakes none. Who signs in for the first
# time has joined just now, or had no sign-in to wait for.
WAKING = """
CREATE TRIGGER waking_sign_in AFTER UPDATE OF last_sign_in ON accounts_user FOR EACH ROW
    WHEN (coalesce(OLD.last_sign_in, OLD.date_joined) < NEW.last_sign_in - interval '1 day')
    EXECUTE FUNCTION accounts_note_access_change();
"""


def watch(columns: str) -> str:
    """The trigger on users, made again for these columns."""
    return f"""
DROP TRIGGER access_change ON accounts_user;
CREATE TRIGGER access_change AFTER INSERT OR DELETE OR UPDATE OF {columns}
    ON accounts_user FOR EACH STATEMENT EXECUTE FUNCTION accounts_note_access_change();
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0004_ledger")]

    operations = [
        migrations.AddField("signinlink", "break_glass", models.BooleanField(default=False)),
        migrations.RunSQL(
            watch(USER_COLUMNS) + WAKING,
            "DROP TRIGGER waking_sign_in ON accounts_user;" + watch(USER_COLUMNS_BEFORE),
        ),
    ]
