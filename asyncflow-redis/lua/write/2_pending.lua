-- What is to be written. A job that comes and goes within a batch leaves nothing behind.

local touched, puts, drops = {}, {}, {}
-- After how many microseconds a value may go by itself, and which may not any more.
local ends, stays = {}, {}
local sets, cards, hashes, versions = {}, {}, {}, {}

local function touch(rec)
  if not rec[TOUCHED] then
    rec[TOUCHED] = true
    touched[#touched + 1] = rec
  end
end

-- A value of a job or of the flow, under the name of its kind and what it belongs to.
local function put(name, value)
  puts[name], drops[name] = value, nil
end

local function drop(name)
  puts[name], drops[name] = nil, true
end

local function set(name)
  local pending = sets[name]
  if not pending then
    pending = { add = {}, rem = {} }
    sets[name] = pending
  end
  return pending
end

-- Adds to a sorted set.
local function add(name, member, score)
  set(name).add[member] = score
end

local function remove(name, member)
  local pending = set(name)
  local fresh = pending.add[member] and not pending.rem[member]
  pending.add[member] = nil
  if not fresh then pending.rem[member] = true end
end

-- Writes what is pending of a sorted set; says whether anything came in.
local function settle(name)
  local pending = sets[name]
  if not pending then return false end
  local adds, rems = {}, {}
  for member, score in pairs(pending.add) do
    adds[#adds + 1] = score
    adds[#adds + 1] = member
  end
  for member in pairs(pending.rem) do
    if not pending.add[member] then rems[#rems + 1] = member end
  end
  sets[name] = nil
  -- Where memory is missing, it is the first write that must fail: one that adds.
  call(adds, 'ZADD', base .. name)
  call(rems, 'ZREM', base .. name)
  return #adds > 0
end

-- A hash of the flow: what is known of its fields, and which have changed.
local function hash(name)
  local all = hashes[name]
  if not all then
    all = { known = {}, changed = {} }
    hashes[name] = all
  end
  return all
end

local function field(name, key)
  local known = hash(name).known
  if known[key] == nil then known[key] = redis.call('HGET', base .. name, key) end
  return known[key]
end

-- Reads many fields at once.
local function load_fields(name, keys)
  local known = hash(name).known
  for from = 1, #keys, MOST do
    local last = math.min(from + MOST - 1, #keys)
    local got = redis.call('HMGET', base .. name, unpack(keys, from, last))
    for n = from, last do known[keys[n]] = got[n - from + 1] end
  end
end

-- Sets a field, or takes it away where there is no value.
local function set_field(name, key, value)
  local all = hash(name)
  all.known[key], all.changed[key] = value or false, true
end

-- Jobs in each state, by what stands in the sets of their due times.
local moved = { [0] = 0, 0, 0, 0, 0, 0 }

local function count(state)
  if not cards[state] then cards[state] = redis.call('ZCARD', base .. 'd' .. state) end
  return cards[state] + moved[state]
end
