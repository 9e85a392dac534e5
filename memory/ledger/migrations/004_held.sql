-- What is doubtful, until the user keeps or drops it: a fact that may be added, or a known one that may be over. It is
-- not in memory.facts, and so in no index and no cache.
create table memory.held (
    owner text not null references memory.users on delete cascade,
    id text not null,                  -- of the fact
    item text not null,                -- memory.facts.changes.Held, as JSON
    thread_id text,                    -- of the message that it comes from
    category text not null,            -- of the fact, as the next one
    digest text not null,
    successor text,                    -- the id of the known fact that may have taken its place
    lapses_at timestamptz not null,
    primary key (owner, id)
);
create index held_lapse on memory.held (lapses_at);
alter table memory.held alter item set statistics 0;
