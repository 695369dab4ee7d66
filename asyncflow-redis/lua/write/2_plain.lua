-- The short way for what most batches are: new jobs that their node takes up at once, and ends of jobs by who holds them, of which nothing
-- stands in line, is counted or limited. The node has seen that a batch looks so. Where what is kept does not fit, nothing has been written,
-- and the long way is gone instead, which writes the same.

local inserts_at = 5 + 2 * policy_count
local changes_at = inserts_at + 2 * insert_count
local claims_at = changes_at + 3 * change_count

-- Reads and checks all of the jobs that begin; answers what writes them, or nothing.
local function beginning()
  local waiting = redis.call('ZCARD', base .. 'd' .. SCHEDULED) + redis.call('ZCARD', base .. 'd' .. ENQUEUED)
  local records, keys, puts, running, all, versions = {}, {}, {}, {}, {}, {}
  local made = NO_TALLY .. struct.pack('>i8', now)
  local patch, before, due
  for n = 1, insert_count do
    local insert, claim = inserts_at + 2 * n - 2, claims_at + 3 * n - 3
    local head, token, id = ARGV[insert], string.sub(ARGV[claim], 1, 16), ARGV[claim + 2]
    local lead, room, _, version = struct.unpack(PLAIN_INSERT_FORMAT, head, INSERT_LEAD_AT)
    if waiting + n > room then return nil end
    if ARGV[claim + 1] ~= patch then
      patch = ARGV[claim + 1]
      local after = ({ struct.unpack(PATCH_FORMAT, patch) })[AFTER]
      before = struct.pack(BEGINNING_FORMAT, FORMAT, PROCESSING, 0, 0, 1, 2, now, NO_STAMP, now, after, now)
      due = text(now + whole(after))
    end
    local record = before .. lead .. token .. made .. string.sub(head, KEPT_AT)
    local job, held = base .. 'j' .. id, base .. 't' .. token
    records[n], versions[version] = record, true
    keys[2 * n - 1], keys[2 * n] = job, held
    puts[6 * n - 5], puts[6 * n - 4], puts[6 * n - 3], puts[6 * n - 2] = job, record, held, id
    puts[6 * n - 1], puts[6 * n] = base .. 'r' .. id, ARGV[insert + 1]
    running[2 * n - 1], running[2 * n] = due, id
    all[2 * n - 1], all[2 * n] = '0', id
  end
  -- A job that is there already, or a claim that is asked again.
  if redis.call('EXISTS', unpack(keys)) > 0 then return nil end
  redis.call('ZCARD', base .. 'd' .. PROCESSING)
  redis.call('ZCARD', base .. 'a')
  local policies = {}
  for at = 5, inserts_at - 2, 2 do
    if redis.call('HEXISTS', base .. 'p', ARGV[at]) == 0 then policies[#policies + 1] = at end
  end
  for version in pairs(versions) do
    if redis.call('SISMEMBER', base .. 'v', version) == 1 then versions[version] = nil end
  end
  return function(out, changed)
    redis.call('MSET', unpack(puts))
    redis.call('ZADD', base .. 'd' .. PROCESSING, unpack(running))
    redis.call('ZADD', base .. 'a', unpack(all))
    for _, at in ipairs(policies) do redis.call('HSET', base .. 'p', ARGV[at], ARGV[at + 1]) end
    for version in pairs(versions) do redis.call('SADD', base .. 'v', version) end
    local at = #out
    for n = 1, insert_count do
      local id = all[2 * n]
      out[at + 1], out[at + 2], out[at + 3], out[at + 4], out[at + 5] = 1, false, id, records[n], false
      at, changed[#changed + 1] = at + 5, id
    end
  end
end

-- The same of the jobs that end.
local function ending()
  local ids, tokens, starts, keys = {}, {}, {}, {}
  for n = 1, change_count do
    local id, _, token, started = struct.unpack(HOLDER_FORMAT, ARGV[changes_at + 3 * n - 3])
    ids[n], tokens[n], starts[n] = id, token, started
    keys[2 * n - 1], keys[2 * n] = base .. 'j' .. id, base .. 't' .. token
  end
  local got = redis.call('MGET', unpack(keys))
  local records, lasting, staying, gone, ended = {}, {}, {}, {}, {}
  local patch, before, middle, tally, micros, due, last, keeps, list
  for n = 1, change_count do
    local id, raw = ids[n], got[2 * n - 1]
    if not raw or #raw ~= RECORD_SIZE or got[2 * n] ~= id then return nil end
    local head, version, started, _, ready, token, _, created, _, _, size, _, _, named = struct.unpack(HELD_FORMAT, raw)
    if head ~= HELD_HEAD or started ~= starts[n] or token ~= tokens[n] or named > 0 then return nil end
    if version < 0 or version >= EXACT or size < 0 or size > LARGEST then return nil end
    if ARGV[changes_at + 3 * n - 2] ~= patch then
      patch = ARGV[changes_at + 3 * n - 2]
      local read = { struct.unpack(PATCH_FORMAT, patch) }
      micros, tally, keeps = whole(read[AFTER]), read[NEW_TALLY], read[PARTS] == ERROR
      before, middle = string.char(FORMAT, read[TO], 0, 0, 0), struct.pack('>i8i8', now, now) .. read[AFTER]
      due, last, list = text(now + micros), left_over(micros), within(ended, read[TO])
    end
    -- It would be purged too young.
    if now + micros < created + YOUNGEST then return nil end
    records[n] = before .. struct.pack('>i8', version + 1) .. started .. middle .. ready .. NOBODY .. tally .. string.sub(raw, REST_AT)
    lasting[n], staying[n] = last, keeps
    list[#list + 1], list[#list + 2] = due, id
    gone[#gone + 1] = keys[2 * n]
    if not keeps then gone[#gone + 1] = base .. 'r' .. id end
  end
  -- Jobs that are held back for the sake of these are to be told.
  if redis.call('SCARD', base .. 'b') > 0 then return nil end
  redis.call('ZCARD', base .. 'd' .. PROCESSING)
  for state in pairs(ended) do redis.call('ZCARD', base .. 'd' .. state) end
  return function(out, changed)
    local at = #out
    for n = 1, change_count do
      local id, last = ids[n], lasting[n]
      redis.call('SET', base .. 'j' .. id, records[n], 'PX', last)
      redis.call('SET', base .. 'o' .. id, ARGV[changes_at + 3 * n - 1], 'PX', last)
      if staying[n] then redis.call('PEXPIRE', base .. 'r' .. id, last) end
      out[at + 1], out[at + 2], at = 'A', records[n], at + 2
      changed[n] = id
    end
    for state, members in pairs(ended) do redis.call('ZADD', base .. 'd' .. state, unpack(members)) end
    redis.call('ZREM', base .. 'd' .. PROCESSING, unpack(ids))
    redis.call('UNLINK', unpack(gone))
  end
end

if is_plain == 1 then
  -- Nothing where they do not fit; false where there are none.
  local begin, finish = insert_count > 0 and beginning(), change_count > 0 and ending()
  if begin ~= nil and finish ~= nil then
    local out, changed = { string.format('%.0f', now) }, {}
    for n = 1, insert_count do out[n + 1] = 'C' end
    if finish then finish(out, changed) end
    if begin then begin(out, changed) end
    publish(false, {}, changed)
    return out
  end
end
