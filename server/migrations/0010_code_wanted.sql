-- Between the password and the code of a two-factor login the connection waits for the person.
alter table connection drop constraint connection_state_check;
alter table connection add constraint connection_state_check
    check (state in ('active', 'refused', 'off', 'code_wanted'));
