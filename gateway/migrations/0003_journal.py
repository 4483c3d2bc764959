"""How many requests were admitted in each minute, told by the workers apart from the rows they write.

`pending` requests run or have a row that is not written yet. Workers write this table in plain SQL, so that no model
stands for it; `swept` says that a worker is gone and what it left behind has been accounted for.
"""

from django.db import migrations

CREATE = """
CREATE TABLE gateway_admission (
    worker text NOT NULL,
    minute timestamptz NOT NULL,
    admitted bigint NOT NULL DEFAULT 0,
    discarded bigint NOT NULL DEFAULT 0,
    pending bigint NOT NULL DEFAULT 0,
    swept boolean NOT NULL DEFAULT false,
    PRIMARY KEY (worker, minute)
);
CREATE INDEX gateway_admission_minute ON gateway_admission (minute);
"""


class Migration(migrations.Migration):
    dependencies = [("gateway", "0002_routing_choice")]
    operations = [migrations.RunSQL(CREATE, "DROP TABLE gateway_admission")]
