-- What is to be written. A job that comes and goes within a batch leaves nothing behind.

-- Records; values and what is to be dropped, by their kinds; members of sorted sets, by the sets' names; fields of hashes.
local touched, puts, drops, adds, removals, hashes = {}, {}, {}, {}, {}, {}
-- Jobs in each state, and how many more of them there are by now.
local cards, moved = {}, { [0] = 0, 0, 0, 0, 0, 0 }

local function within(all, name)
  local one = all[name]
  if not one then
    one = {}
    all[name] = one
  end
  return one
end

-- A value of a kind, under a job's id or another name.
local function put(kind, name, value)
  within(puts, kind)[name] = value
  if drops[kind] then drops[kind][name] = nil end
end

local function drop(kind, name)
  within(drops, kind)[name] = true
  if puts[kind] then puts[kind][name] = nil end
end

-- Adds to a sorted set.
local function add(name, member, score)
  within(adds, name)[member] = score
end

local function remove(name, member)
  local fresh, before = adds[name], removals[name]
  if fresh and fresh[member] then
    fresh[member] = nil
    -- It was not there before.
    if not (before and before[member]) then return end
  end
  within(removals, name)[member] = true
end

-- Writes what is pending of a sorted set; says whether anything came in.
local function settle(name)
  local coming, going = adds[name] or {}, removals[name] or {}
  local pairs_in, out = {}, {}
  for member, score in pairs(coming) do
    pairs_in[#pairs_in + 1] = score
    pairs_in[#pairs_in + 1] = member
  end
  for member in pairs(going) do
    if not coming[member] then out[#out + 1] = member end
  end
  adds[name], removals[name] = nil, nil
  -- Where memory is missing, it is the first write that must fail: one that adds.
  call(pairs_in, 'ZADD', base .. name)
  call(out, 'ZREM', base .. name)
  return #pairs_in > 0
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
  local fields = hash(name).known
  if fields[key] == nil then fields[key] = redis.call('HGET', base .. name, key) end
  return fields[key]
end

-- Sets a field, or takes it away where there is no value.
local function set_field(name, key, value)
  local all = hash(name)
  all.known[key], all.changed[key] = value or false, true
end

local function count(state)
  if not cards[state] then cards[state] = redis.call('ZCARD', base .. 'd' .. state) end
  return cards[state] + moved[state]
end
