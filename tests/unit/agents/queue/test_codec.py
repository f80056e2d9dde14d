from __future__ import annotations

import json

from pullwright.agents.queue.codec import spec_from_data, spec_to_data
from pullwright.agents.testing.contracts_store import a_spec


def test_a_specification_of_an_older_release_is_read() -> None:
    data = json.loads(json.dumps(spec_to_data(a_spec(reproduce=True))))
    assert spec_from_data(data) == a_spec(reproduce=True)
    del data["fixes"], data["reproduce"]
    assert spec_from_data({**data, "later": 1}) == a_spec(fixes=())
