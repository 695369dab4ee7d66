-- Records, as they are kept and as they are worked with.

-- What is known of each job by its id.
local known = {}

-- Reads the names behind a record; says whether they are as they should be.
local function read_names(rec, named)
  local rest, at = rec[REST], FIRST_NAME
  local names = {}
  for n = 1, 3 do
    if named % 2 == 1 then
      if #rest < at + 3 then return false end
      local size = struct.unpack('>I4', rest, at)
      names[n] = string.sub(rest, at + 4, at + 3 + size)
      at = at + 4 + size
    end
    named = math.floor(named / 2)
  end
  local owner, unique = names[1], names[3]
  rec[OWNER], rec[KEY] = owner or false, names[2] or owner or false
  rec[UNIQUE] = unique and (owner and #owner .. ':' .. owner or ':') .. unique or false
  return named == 0 and at == #rest + 1
end

local function read(id, raw)
  if #raw < RECORD_SIZE or string.byte(raw) ~= FORMAT then return UNREADABLE end
  local _, state, mark, progress, held, version, started, ended, due, after, ready, lead, token, tally, created, worth, spacing,
    size, flow_version, _, named = struct.unpack(RECORD_FORMAT, raw)
  if state > CANCELLED or mark > FORGET or progress > 1 or held > 1 or version < 0 or version >= EXACT
    or size < 0 or size > LARGEST then
    return UNREADABLE
  end
  local rec = {
    state, mark, progress, held, version, started, ended, due, after, ready, lead, token, tally, created, worth, spacing,
    size, flow_version, string.sub(raw, REST_AT), id, false, false, false, false, false, raw, false, false, state, false, false,
  }
  if state == ENQUEUED then
    rec[RANK] = ready - whole(lead)
    rec[STOOD] = rec[RANK]
  end
  if named > 0 then return read_names(rec, named) and rec or UNREADABLE end
  return #raw == RECORD_SIZE and rec or UNREADABLE
end

local function kept(rec)
  if not rec[KEPT] then rec[KEPT] = struct.pack(CHANGING_FORMAT, FORMAT, unpack(rec, STATE, TALLY)) .. rec[REST] end
  return rec[KEPT]
end

local function due_of(rec)
  if not rec[DUE] then rec[DUE] = rec[DUE_FROM] + whole(rec[DUE_AFTER]) end
  return rec[DUE]
end

local function rank_of(rec)
  if not rec[RANK] then rec[RANK] = rec[READY] - whole(rec[LEAD]) end
  return rec[RANK]
end

-- The values of many keys that begin alike.
local function values(kind, ids, found)
  for from = 1, #ids, MOST_ARGUMENTS do
    local keys, prefix = {}, base .. kind
    for n = from, math.min(from + MOST_ARGUMENTS - 1, #ids) do keys[n - from + 1] = prefix .. ids[n] end
    local got = redis.call('MGET', unpack(keys))
    for n = 1, #keys do found(ids[from + n - 1], got[n], keys[n]) end
  end
end

-- Reads the records that are not known yet.
local function load(ids)
  local unknown, missing, count = {}, {}, 0
  for n = 1, #ids do
    local id = ids[n]
    if not known[id] then
      count = count + 1
      known[id], unknown[count] = MISSING, id
    end
  end
  values('j', unknown, function(id, raw, key)
    if raw then known[id] = read(id, raw) else missing[#missing + 1] = key end
  end)
  -- What is no string is not missing: it is not ours, and stays.
  for from = 1, #missing, MOST_ARGUMENTS do
    if redis.call('EXISTS', unpack(missing, from, math.min(from + MOST_ARGUMENTS - 1, #missing))) > 0 then
      for _, key in ipairs(missing) do
        if redis.call('EXISTS', key) == 1 then known[string.sub(key, -16)] = UNREADABLE end
      end
    end
  end
end

local function is_live(rec)
  return rec[STATE] < SUCCEEDED and rec[MARK] < FORGET
end
