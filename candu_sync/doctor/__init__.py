"""The doctor: finds out on a real workspace, step by step, what Candu does not publish, and which settings follow.

Does not know the command line: a ``Person`` is asked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from candu_sync.lazy import lazy_names

if TYPE_CHECKING:
    from candu_sync.doctor.answer_file import Given as Given
    from candu_sync.doctor.answer_file import read_answers as read_answers
    from candu_sync.doctor.building import built as built
    from candu_sync.doctor.env_file import Change as Change
    from candu_sync.doctor.env_file import changes as changes
    from candu_sync.doctor.env_file import edited as edited
    from candu_sync.doctor.env_file import read_env as read_env
    from candu_sync.doctor.env_file import write_env as write_env
    from candu_sync.doctor.examination import Answer as Answer
    from candu_sync.doctor.examination import examine as examine
    from candu_sync.doctor.notes import Note as Note
    from candu_sync.doctor.notes import Notes as Notes
    from candu_sync.doctor.notes import new_notes as new_notes
    from candu_sync.doctor.notes import read_notes as read_notes
    from candu_sync.doctor.simulated import Simulated as Simulated
    from candu_sync.doctor.simulated import answers_at as answers_at
    from candu_sync.doctor.steps import STEPS as STEPS
    from candu_sync.doctor.steps import Meaning as Meaning
    from candu_sync.doctor.steps import Step as Step
    from candu_sync.doctor.summary import amount as amount
    from candu_sync.doctor.summary import differences as differences
    from candu_sync.doctor.summary import known as known
    from candu_sync.doctor.summary import sentence as sentence
else:
    __getattr__, __all__ = lazy_names(__name__, {
        "answer_file": "Given read_answers",
        "building": "built",
        "env_file": "Change changes edited read_env write_env",
        "examination": "Answer examine",
        "notes": "Note Notes new_notes read_notes",
        "simulated": "Simulated answers_at",
        "steps": "STEPS Meaning Step",
        "summary": "amount differences known sentence",
    })
