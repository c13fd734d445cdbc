-- Each family of jobs looks for its own kinds: a heap of one kind must not be read through to find the few of another.
create index job_due_of_kind on job (kind, run_at) where state = 'waiting';
drop index job_due;
