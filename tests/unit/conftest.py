"""Properties are tried on the same examples in every run; `HYPOTHESIS_PROFILE=explore` looks for new ones.

No deadline: how long an example takes says only how busy the machine is.
"""

from __future__ import annotations

import os

from hypothesis import settings

settings.register_profile("steady", deadline=None, derandomize=True)
settings.register_profile("explore", deadline=None, max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "steady"))
