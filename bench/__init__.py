"""The bench: how long candu-sync takes and how much memory, compared with the floor of each stage, with other tools,
and with its own build of before the work on speed.

    python -m bench                          everything; `make bench`
    python -m bench --size targets           what the targets need, ten million rows once
    python -m bench --quick                  100,000 rows; `make bench-quick`
    python -m bench --only data              make the data and the environments of other tools, measure nothing
    python -m bench --only diff whole --sizes 1M
    python -m bench --only whole --sizes 10M --warehouses postgres
    python -m bench --resume                 go on where an interrupted bench ended
    python -m bench --report                 the page again, from what was measured

Every measurement is a process of its own, so that neither memory nor imports mix; its peak is what the kernel says when
it ends. Each is written down as it ends, in the cache folder (``.bench``), where data and other tools are kept too.

    data      makes the tables               sink      a server that counts and does nothing else
    child     runs one function here         floors    what a stage cannot be faster than
    engine    the engine's own functions     peers/    other tools, by their own Python
    builds    this build, and the one of before, which comes from the repository's history
    sizes     how much each size of the bench does
    making, starting, reading, diffing, sending, whole, many, partitions, dagster_runs, hashing, shards   the sections
    target, speed_targets, targets, report, plot                                      the page
    plan_of_scale, scale_model, scale_costs    what a billion users need, computed of what was measured: docs/scale.md
"""
