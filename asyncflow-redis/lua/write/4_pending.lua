-- What is to be written. A job that comes and goes within a batch leaves nothing behind: what is written of a job is told from what it was.

-- Records; values and what is to be dropped, by their kinds; hashes; what dangles in sorted sets, by their names.
local touched, puts, drops, hashes, stale = {}, {}, {}, {}, {}
-- Jobs in each state, and how many more of them there are by now.
local cards, moved = {}, { [0] = 0, 0, 0, 0, 0, 0 }

-- A value of a kind, under a job's id or another name.
local function put(kind, name, value)
  within(puts, kind)[name] = value
  if drops[kind] then drops[kind][name] = nil end
end

local function drop(kind, name)
  within(drops, kind)[name] = true
  if puts[kind] then puts[kind][name] = nil end
end

local function touch(rec)
  rec[TOUCHED] = true
  touched[#touched + 1] = rec
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
