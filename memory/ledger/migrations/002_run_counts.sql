-- How many runs a user has begun in a minute: RUNS_PER_MINUTE limits them on all servers together. It may be lost.
create unlogged table memory.run_counts (
    owner text not null,               -- owner_key(user_id)
    minute timestamptz not null,
    runs int not null,
    primary key (owner, minute)
);
