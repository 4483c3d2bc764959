from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("routing", "0005_open_for_five_seconds")]
    operations = [
        migrations.CreateModel(
            name="ScheduledPublication",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("at", models.DateTimeField()),
                ("author", models.CharField(max_length=255)),
                ("note", models.CharField(blank=True, max_length=300)),
                ("reason", models.CharField(blank=True, max_length=300)),
                ("parent", models.PositiveIntegerField()),
                ("sha256", models.CharField(max_length=64)),
                ("began_hold", models.BooleanField(default=False)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("state", models.CharField(default="waiting", max_length=16)),
                ("outcome", models.TextField(blank=True)),
                ("revision", models.PositiveIntegerField(null=True)),
                ("done_at", models.DateTimeField(null=True)),
            ],
            options={"default_permissions": ()},
        ),
        migrations.AddConstraint(
            model_name="scheduledpublication",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state", "waiting")), fields=("state",), name="one_scheduled_publication"
            ),
        ),
    ]
