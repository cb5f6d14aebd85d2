"""One run of a job: plain, by day, incremental, or in step with its input.

Owns the task, staging, the audit, publishing, the lock, records and their history, progress, estimates, and the look at
an input before BERT runs.
Refuses to know a command line: settings come in as dataclasses.
May import every package but `cli` and `before_0_2`.

Other packages may use: `run_task` (dispatch), `estimate_run` (estimate), `show_output` (summary), `history_of_output`
(run_history), `inspect_input` (inspection_report), `Task` (task), the tasks of the two jobs (embed_task, score_task),
and the settings classes (config).
"""
