-- With a key, a fact's text, quote and previous messages are in `encrypted`, and empty in their own columns; its stems
-- are encrypted in place, and its digest is made with the key. `key_id` names the key; it is null for a row in the clear.
alter table memory.facts add column encrypted bytea, add column key_id text;
alter table memory.held add column encrypted bytea, add column key_id text;  -- likewise for the item
alter table memory.vectors add column key_id text;  -- the vector is encrypted in place
alter table memory.facts alter encrypted set statistics 0;
alter table memory.held alter encrypted set statistics 0;
create index facts_keys on memory.facts (key_id) where key_id is not null;

-- As before; and a fact may be encrypted with another key, which changes nothing that it says.
create or replace function memory.refuse_edit() returns trigger language plpgsql as $$
declare
    was jsonb := to_jsonb(old);
    is_now jsonb := to_jsonb(new);
    encrypting text[] := '{text,quote,previous,digest,stems,encrypted,key_id}';
    erasable text[] := '{successor,restores,retired_thread_id,retired_message_id}';
    retiring text[] := '{retired_at,retired_reason,successor,ended_at,retired_thread_id,retired_message_id,rolled_back_at}';
begin
    if old.key_id is distinct from new.key_id and was - encrypting = is_now - encrypting then
        return new;
    end if;
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

-- Every write to facts is queued for the indexes, except for another key: an index has no text.
create or replace function memory.queue_for_indexes() returns trigger language plpgsql as $$
begin
    if tg_op = 'UPDATE' and old.key_id is distinct from new.key_id then
        return null;
    end if;
    insert into memory.index_queue (index_name, owner, fact_id)
    select name, coalesce(new.owner, old.owner), coalesce(new.id, old.id)
    from memory.indexes where state <> 'dropped'
    on conflict (index_name, owner, fact_id) do update set change = default;
    return null;
end $$;
