alter table memory.facts
    add column retired_thread_id text,   -- the message that retired it; null if that was done by hand
    add column retired_message_id text,
    add column rolled_back_at timestamptz,  -- since when it counts neither now nor in the past
    add column restores text;            -- the id of the fact in whose place it was written by a roll-back

alter table memory.reinforcements
    add column recorded_at timestamptz,  -- null in rows of the version before
    add column rolled_back_at timestamptz;
alter table memory.reinforcements alter column recorded_at set default clock_timestamp();

-- Facts about hard limits that messages have retired, until a reply tells the user.
create table memory.untold_limits (
    owner text not null,
    fact_id text not null,
    primary key (owner, fact_id),
    foreign key (owner, fact_id) references memory.facts on delete cascade
);

-- A fact is never edited. It can be retired once, and be rolled back once; what it says of another fact, or of the
-- message that retired it, is set to null when that is erased.
create or replace function memory.refuse_edit() returns trigger language plpgsql as $$
declare
    was jsonb := to_jsonb(old);
    is_now jsonb := to_jsonb(new);
    erasable text[] := '{successor,restores,retired_thread_id,retired_message_id}';
    retiring text[] := '{retired_at,retired_reason,successor,ended_at,retired_thread_id,retired_message_id,rolled_back_at}';
begin
    if was - erasable = is_now - erasable and jsonb_strip_nulls(is_now) <@ jsonb_strip_nulls(was) then
        return new;
    end if;
    if old.retired_at is not null and old.rolled_back_at is null and was - 'rolled_back_at' = is_now - 'rolled_back_at'
    then
        return new;
    end if;
    if old.retired_at is not null or new.retired_at is null or was - retiring is distinct from is_now - retiring then
        raise exception 'fact % may not be edited', old.id;
    end if;
    return new;
end $$;
