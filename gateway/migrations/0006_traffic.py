"""Roll-ups of the request log by minute, hour and day: for traffic, for keys, and for failed attempts.

A trigger writes them (gateway.traffic.roll_up), so that no models stand for them. Updates find room in their page
(fillfactor), and the counts of latencies stay uncompressed, because every read takes them apart.
"""

from django.db import migrations

from gateway.traffic.roll_up import trigger

MEASURES = """
    requests bigint NOT NULL,
    streams bigint NOT NULL,
    attempts bigint NOT NULL,
    fallbacks bigint NOT NULL,
    input_tokens bigint NOT NULL,
    cached_tokens bigint NOT NULL,
    output_tokens bigint NOT NULL,
    reasoning_tokens bigint NOT NULL,
    estimated bigint NOT NULL,
    cost_nano bigint NOT NULL,
    unpriced bigint NOT NULL,
    timed bigint NOT NULL,
    total_us bigint NOT NULL,
    total_least bigint,
    total_greatest bigint,
    overhead_us bigint NOT NULL,
    begun bigint NOT NULL,
    first_us bigint NOT NULL,
    first_least bigint,
    first_greatest bigint,
    total_counts integer[] NOT NULL,
    first_counts integer[] NOT NULL,
"""
TRAFFIC = """
    at timestamptz NOT NULL,
    alias text COLLATE "C" NOT NULL,
    policy text COLLATE "C" NOT NULL,
    tier text COLLATE "C" NOT NULL,
    provider text COLLATE "C" NOT NULL,
    deployment text COLLATE "C" NOT NULL,
    endpoint text COLLATE "C" NOT NULL,
    stream boolean NOT NULL,
    state text COLLATE "C" NOT NULL,
    error text COLLATE "C" NOT NULL,
"""
TRAFFIC_KEY = "at, alias, policy, tier, provider, deployment, endpoint, stream, state, error"
KEYS = """
    at timestamptz NOT NULL,
    user_id text COLLATE "C" NOT NULL,
    key_id uuid NOT NULL,
    key_label text COLLATE "C" NOT NULL,
    alias text COLLATE "C" NOT NULL,
    provider text COLLATE "C" NOT NULL,
    state text COLLATE "C" NOT NULL,
    error text COLLATE "C" NOT NULL,
"""
KEYS_KEY = "at, user_id, key_id, key_label, alias, provider, state, error"
STEPS = """
    at timestamptz NOT NULL,
    provider text COLLATE "C" NOT NULL,
    deployment text COLLATE "C" NOT NULL,
    word text COLLATE "C" NOT NULL,
    skipped boolean NOT NULL,
    next_provider text COLLATE "C" NOT NULL,
    next_deployment text COLLATE "C" NOT NULL,
    steps bigint NOT NULL,
"""
STEPS_KEY = "at, provider, deployment, word, skipped, next_provider, next_deployment"
TABLES = (
    ("gateway_traffic_minute", TRAFFIC + MEASURES, TRAFFIC_KEY),
    ("gateway_traffic_hour", TRAFFIC + MEASURES, TRAFFIC_KEY),
    ("gateway_traffic_day", TRAFFIC + MEASURES, TRAFFIC_KEY),
    ("gateway_traffic_key_hour", KEYS + MEASURES, KEYS_KEY),
    ("gateway_traffic_key_day", KEYS + MEASURES, KEYS_KEY),
    ("gateway_traffic_step_minute", STEPS, STEPS_KEY),
    ("gateway_traffic_step_hour", STEPS, STEPS_KEY),
    ("gateway_traffic_step_day", STEPS, STEPS_KEY),
)


def creation(name: str, columns: str, key: str) -> migrations.RunSQL:
    """One table."""
    made = f"CREATE TABLE {name} ({columns} PRIMARY KEY ({key})) WITH (fillfactor = 70)"
    plain = (
        f"ALTER TABLE {name} ALTER total_counts SET STORAGE PLAIN, ALTER first_counts SET STORAGE PLAIN"
        if "total_counts" in columns
        else ""
    )
    return migrations.RunSQL(f"{made}; {plain}", f"DROP TABLE {name}")


class Migration(migrations.Migration):
    dependencies = [("gateway", "0005_stored_prompts")]
    operations = [
        *(creation(*table) for table in TABLES),
        migrations.RunSQL(trigger(), "DROP FUNCTION gateway_roll_up CASCADE"),
    ]
