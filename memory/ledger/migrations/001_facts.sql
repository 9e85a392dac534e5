create sequence memory.versions;
create table memory.users (
    owner text primary key,            -- owner_key(user_id)
    user_id text not null,
    version bigint not null            -- grows with each write, never reused; caches compare it
        default nextval('memory.versions'),
    extracted_at timestamptz           -- when a model last gave a usable answer about messages of this user
);

create table memory.facts (
    owner text not null references memory.users,
    number bigint generated always as identity,  -- the order in which facts were written
    id text not null,
    key text not null,
    text text not null,
    digest text not null,              -- of the words of the text, to find repeats
    stems bytea not null,              -- of all its texts: four bytes for each, the hash of a stem, little-endian
    subject text not null,
    attribute text not null,
    exclusive boolean not null,
    category text not null,
    importance double precision not null,
    quote text not null,
    thread_id text,
    message_id text,
    previous text[] not null,
    tense text not null,
    valid_from timestamptz,
    valid_until timestamptz,
    observed_at timestamptz not null,
    recorded_at timestamptz not null,
    retired_at timestamptz,
    retired_reason text,
    successor text,
    ended_at timestamptz,
    primary key (owner, id)
);
create index facts_slot on memory.facts (owner, subject, attribute);
create index facts_key on memory.facts (owner, key);
create index facts_digest on memory.facts (owner, digest) where retired_at is null;
create index facts_plans on memory.facts (owner, subject, attribute)
    where retired_at is null and exclusive and (tense = 'planned' or valid_from > observed_at);
create unique index facts_one_per_key on memory.facts (owner, key) where retired_at is null;
-- An exclusive slot has at most one unretired fact that lasts, and one that is temporary, not counting plans.
create unique index facts_one_per_slot on memory.facts
    (owner, subject, attribute, (tense = 'temporary' or coalesce(valid_until > observed_at, false)))
    where retired_at is null and exclusive and tense <> 'planned' and (valid_from is null or valid_from <= observed_at);

-- A fact is never edited. It can be retired once, and its successor is set to null when the successor is erased.
create function memory.refuse_edit() returns trigger language plpgsql as $$
declare
    retiring text[] := '{retired_at,retired_reason,successor,ended_at}';
begin
    if old.successor is not null and new.successor is null
        and to_jsonb(old) - 'successor' = to_jsonb(new) - 'successor'
    then
        return new;
    end if;
    if old.retired_at is not null or new.retired_at is null
        or to_jsonb(old) - retiring is distinct from to_jsonb(new) - retiring
    then
        raise exception 'fact % may not be edited', old.id;
    end if;
    return new;
end $$;
create trigger facts_are_not_edited before update on memory.facts
    for each row execute function memory.refuse_edit();

-- One row for each time a known fact was said again.
create table memory.reinforcements (
    owner text not null,
    fact_id text not null,
    thread_id text not null,
    message_id text not null,
    observed_at timestamptz not null,
    primary key (owner, fact_id, thread_id, message_id),
    foreign key (owner, fact_id) references memory.facts on delete cascade
);

-- The messages that facts were extracted from. Each is extracted once, even if a run is repeated.
create table memory.extracted_messages (
    owner text not null references memory.users,
    thread_id text not null,
    message_id text not null,
    primary key (owner, thread_id, message_id)
);

-- Messages for which the model's answer was useless, and that are not extracted yet. Until one is given up, it waits.
create table memory.failed_extractions (
    owner text not null references memory.users,
    thread_id text not null,
    message_id text not null,
    failures int not null,             -- until the model has worked for another message, they count once
    cause text not null,               -- the class of the last error
    first_failed_at timestamptz not null,
    failed_at timestamptz not null,    -- the last time
    given_up_at timestamptz,
    primary key (owner, thread_id, message_id)
);

-- The indexes that recall searches: the one in use ("active"), one that a reindex is building ("building"), and
-- replaced ones until they are deleted ("dropped").
create table memory.indexes (
    name text primary key,
    backend text not null,             -- where it is kept: "chroma" or "pgvector"
    embedder text not null,
    dimension int not null,            -- of the embedder's vectors
    shards int not null,
    state text not null check (state in ('active', 'building', 'dropped'))
);
create unique index indexes_one_active on memory.indexes (state) where state = 'active';
create unique index indexes_one_building on memory.indexes (state) where state = 'building';

-- The vector of each fact, by embedder: four bytes per dimension, little-endian. Reading vectors from here takes a
-- seventh of the CPU time of reading them from Chroma, and an index can be rebuilt without embedding again.
create table memory.vectors (
    owner text not null,
    embedder text not null,
    fact_id text not null,
    vector bytea not null,
    primary key (owner, embedder, fact_id),
    foreign key (owner, fact_id) references memory.facts on delete cascade
);
alter table memory.vectors alter vector set storage external;  -- floats do not compress

-- What a user forgot lately, and when. Runs and extractions that began before save and learn nothing of it.
create table memory.forgotten (
    owner text not null,
    what text not null,                -- 'everything', 'thread:<hash of its id>', 'category:<name>', 'text:<digest>'
    forgotten_at timestamptz not null default clock_timestamp(),
    primary key (owner, what)
);

-- Whether a user's thread was forgotten since a moment.
create function memory.is_forgotten(user_key text, thread text, since timestamptz) returns boolean
    language sql stable parallel safe as $$
    select exists (select from memory.forgotten
        where owner = user_key and what in ('everything', thread) and forgotten_at >= since)
$$;

-- What was forgotten, with counts and without any content.
create table memory.receipts (
    number bigint generated always as identity primary key,
    owner text not null,
    at timestamptz not null default clock_timestamp(),
    what text not null,                -- 'fact', 'category', 'thread', 'everything', or 'server'
    requested_by text not null,        -- '' for the user
    counts jsonb not null              -- place -> how much was deleted there
);
create index receipts_by_owner on memory.receipts (owner, number);

-- Facts to update in an index. They may no longer exist in memory.facts. `change` distinguishes an entry that was
-- read from a later one.
create table memory.index_queue (
    index_name text not null references memory.indexes on delete cascade,
    owner text not null,
    fact_id text not null,
    change bigint generated always as identity,
    primary key (index_name, owner, fact_id)
);

-- Every write to facts is queued for the indexes.
create function memory.queue_for_indexes() returns trigger language plpgsql as $$
begin
    insert into memory.index_queue (index_name, owner, fact_id)
    select name, coalesce(new.owner, old.owner), coalesce(new.id, old.id)
    from memory.indexes where state <> 'dropped'
    on conflict (index_name, owner, fact_id) do update set change = default;
    return null;
end $$;
create trigger facts_are_queued after insert or update or delete on memory.facts
    for each row execute function memory.queue_for_indexes();

-- Finds the checkpoints of a run, so that a server can roll it back.
create index checkpoints_by_run on checkpoints ((metadata->>'run_id')) where metadata ? 'run_id';

-- Finds a user's threads without reading every checkpoint.
create index checkpoints_by_owner on checkpoints
    (coalesce(checkpoint->'channel_values'->>'owner', metadata->>'begun_by'), thread_id, checkpoint_id desc)
    where checkpoint_ns = '';

-- `analyze` copies values of columns into Postgres's statistics, where they would stay after they are deleted here: not
-- those of columns that hold what was said.
alter table memory.facts alter text set statistics 0, alter quote set statistics 0, alter previous set statistics 0,
    alter stems set statistics 0;
alter table memory.vectors alter vector set statistics 0;
alter table checkpoints alter checkpoint set statistics 0, alter metadata set statistics 0;
alter table checkpoint_blobs alter blob set statistics 0;
alter table checkpoint_writes alter blob set statistics 0;
alter table if exists store alter value set statistics 0;
