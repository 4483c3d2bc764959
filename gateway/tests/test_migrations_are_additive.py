"""Old workers serve on while a new version's migrations run: a migration after the first may only add.

What takes something away, or demands something of rows that an old worker writes, waits until no old worker is left;
then it stands in CONTRACTS below, with the reason.
"""

import pytest
from django.db import migrations, models
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

OURS = ("accounts", "gateway", "rainymodel_site", "routing")
# (app, migration) → why nothing that still runs needs what it takes away.
CONTRACTS = {("accounts", "0005_sign_in"): "it came before the first version that anybody ran"}
TAKES_AWAY = (
    migrations.RemoveField,
    migrations.RenameField,
    migrations.DeleteModel,
    migrations.RenameModel,
    migrations.AlterModelTable,
)


def harms() -> list[str]:
    """What old workers would stumble over in each migration of ours after an app's first."""
    loader, said = MigrationLoader(None), []
    for (app, name), migration in sorted(loader.disk_migrations.items()):
        if app not in OURS or name.startswith("0001") or (app, name) in CONTRACTS:
            continue
        state = loader.project_state((app, name), at_end=False)
        for operation in migration.operations:
            if what := harm(operation, was(operation, state, app)):
                said.append(f"{app}.{name}: {operation.describe()}: {what}")
            operation.state_forwards(app, state)
    return said


def was(operation: Operation, state: ProjectState, app: str) -> models.Field | None:
    """The field that an operation alters, as it was."""
    if not isinstance(operation, migrations.AlterField):
        return None
    return state.models[app, operation.model_name_lower].get_field(operation.name)


def harm(operation: Operation, before: models.Field | None = None) -> str:
    """What an old worker would stumble over; empty when nothing. `before` is an altered field as it was."""
    if isinstance(operation, TAKES_AWAY):
        return "takes away or renames what old workers use"
    if isinstance(operation, migrations.AddField | migrations.AlterField):
        return demand(operation.field) if before is None or before.null else ""
    if isinstance(operation, migrations.SeparateDatabaseAndState):
        return " ".join(filter(None, map(harm, operation.database_operations)))
    if isinstance(operation, migrations.RunSQL):
        said = str(operation.sql).upper()
        return " ".join(word for word in ("DROP COLUMN", "RENAME", "SET NOT NULL") if word in said)
    return ""


def demand(field: models.Field) -> str:
    """Whether a row written without the field is refused."""
    if field.null or field.many_to_many or field.primary_key or field.has_db_default():
        return ""
    return "is not null and has no default in the database, so old workers could not write their rows"


@pytest.mark.fault("I06")
def test_every_migration_after_the_first_can_run_under_old_workers():
    assert harms() == []


@pytest.mark.parametrize(
    "operation",
    [
        migrations.RemoveField("apikey", "label"),
        migrations.RenameField("apikey", "label", "name"),
        migrations.AddField("apikey", "colour", models.CharField(max_length=5)),
        migrations.AddField("apikey", "colour", models.CharField(max_length=5, default="red")),
        migrations.AlterField("apikey", "label", models.CharField(max_length=5)),
        migrations.RunSQL("ALTER TABLE accounts_apikey DROP COLUMN label"),
    ],
    ids=[
        "removed",
        "renamed",
        "demanded",
        "demanded with a default of Python's",
        "made not null",
        "removed in SQL",
    ],
)
def test_what_old_workers_would_stumble_over_is_seen(operation: Operation):
    assert harm(operation)


@pytest.mark.parametrize(
    "operation",
    [
        migrations.AddField("apikey", "colour", models.CharField(max_length=5, null=True)),
        migrations.AddField("apikey", "colour", models.CharField(max_length=5, db_default="red")),
        migrations.CreateModel("colour", [("id", models.BigAutoField(primary_key=True))]),
    ],
    ids=["may be empty", "has the database's default", "a table of its own"],
)
def test_what_only_adds_passes(operation: Operation):
    assert not harm(operation)
