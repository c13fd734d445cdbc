create index login_attempt_age on login_attempt (last_at);
