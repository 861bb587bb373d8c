"""What Candu may do to a request, for properties."""

from __future__ import annotations

from hypothesis import strategies as st

STATUSES = [400, 401, 404, 408, 413, 422, 500, 502]
when = {"times": st.integers(1, 3), "after": st.integers(0, 6)}

faults = st.one_of(
    st.fixed_dictionaries({"kind": st.just("status"), "status": st.sampled_from(STATUSES), **when}),
    st.fixed_dictionaries({"kind": st.sampled_from(["close", "lost", "success_false"]), **when}),
    st.fixed_dictionaries({"kind": st.just("refuse"), "status": st.sampled_from([400, 404, 422]),
                           "user_ids": st.lists(st.integers(0, 29).map(lambda i: f"u{i}"), min_size=1, max_size=4)}))
