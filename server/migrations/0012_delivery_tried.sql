-- What was wished when a thing was last tried: where no answer came, something else may stand there than is wished now.
alter table delivery add column tried jsonb;
