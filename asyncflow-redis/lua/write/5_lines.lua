-- Where a job stands: among those that are due, in line, with its owner, under its key, under its token.

-- Jobs by their tokens; for whose sake jobs are held back, and who runs no more.
local held, backs, freed = {}, {}, {}

-- Records whose places in line are to be written, and whether a line got jobs that it had not before.
local unlined, fresh = {}, false

-- The place of a ready job among those of its key, in the order of bytes.
local function place(rec, rank)
  -- What is further away than that stands at the end.
  local bytes = struct.pack('>i8', math.max(-4e18, math.min(4e18, rank)))
  bytes = string.char((string.byte(bytes) + 128) % 256) .. string.sub(bytes, 2)
  return struct.pack('>I4', #rec[KEY]) .. rec[KEY] .. bytes .. rec[ID]
end

local function move(rec)
  if not rec[MOVED] then
    rec[MOVED] = true
    unlined[#unlined + 1] = rec
  end
end

-- Writes where jobs stand in line.
local function write_lines()
  local adds, removals = {}, {}
  for n = 1, #unlined do
    local rec = unlined[n]
    local was, is = rec[STOOD], rec[STATE] == ENQUEUED and known[rec[ID]] == rec and rank_of(rec)
    if was ~= is then
      local keyed = rec[KEY] and 'x' .. rec[FLOW_VERSION]
      local line = (keyed and 'y' or 'q') .. rec[FLOW_VERSION]
      if is then
        local list = within(adds, line)
        list[#list + 1], list[#list + 2] = text(is), rec[ID]
      else
        table.insert(within(removals, line), rec[ID])
      end
      if keyed and is then
        local list = within(adds, keyed)
        list[#list + 1], list[#list + 2] = '0', place(rec, is)
      end
      if keyed and was then table.insert(within(removals, keyed), place(rec, was)) end
    end
    rec[STOOD], rec[MOVED] = is, false
  end
  unlined = {}
  -- Where memory is missing, it is the first write that must fail: one that adds.
  for name, members in pairs(adds) do
    call(members, 'ZADD', base .. name)
    fresh = true
  end
  for name, members in pairs(removals) do call(members, 'ZREM', base .. name) end
end

-- Whether a job in this state is one of its owner's waiting ones; nobody's count just where owners take turns.
local function counts_for_owner(rec, state)
  return state <= ENQUEUED and (rec[OWNER] or rec[SPACING] >= 0)
end

-- How many jobs of an owner wait, and where its last one stands that became ready.
local function owner_of(rec)
  local name = rec[OWNER] and 'o' .. rec[OWNER] or 'n'
  local known_of = field('w', name)
  if not known_of then return name, 0, nil end
  local waiting, last = string.match(known_of, '^(%d+) ?(%-?%d*)$')
  return name, tonumber(waiting) or 0, tonumber(last)
end

local function set_owner(name, waiting, last)
  local value = waiting > 0 and string.format('%.0f', waiting)
  -- Where none of its jobs wait, its next one does not stand behind those.
  if value and last then value = string.format('%s %.0f', value, last) end
  set_field('w', name, value)
end

local function change_running(key, by)
  local jobs = (tonumber(field('u', key)) or 0) + by
  set_field('u', key, jobs > 0 and string.format('%.0f', jobs))
end

-- The ids that a token holds, one behind the other.
local function held_by(token)
  if held[token] == nil then held[token] = redis.call('GET', base .. 't' .. token) or '' end
  return held[token]
end

local function set_held(token, ids)
  held[token] = ids
  if ids == '' then drop('t', token) else put('t', token, ids) end
end

local function let_go(rec)
  local ids, at = held_by(rec[TOKEN]), 1
  if ids == rec[ID] then
    set_held(rec[TOKEN], '')
    at = nil
  end
  while at do
    at = string.find(ids, rec[ID], at, true)
    if at and at % 16 == 1 then
      set_held(rec[TOKEN], string.sub(ids, 1, at - 1) .. string.sub(ids, at + 16))
      break
    end
    at = at and at + 1
  end
  rec[HELD], rec[TOKEN] = 0, NOBODY
end

-- From when on a ready job's rank counts, its priority aside.
local function ready_at(rec)
  return rank_of(rec) + rec[WORTH]
end

-- Gives a job that is ready anew its place where owners take turns, as `state::turn` says.
local function take_turn(rec, last)
  local line = ready_at(rec) - rec[SPACING]
  if count(ENQUEUED) > 0 then line = tonumber(field('h', 'turn')) or 0 end
  rec[READY], rec[LEAD], rec[RANK] = math.max(last or line, line) + rec[SPACING], struct.pack('>i8', rec[WORTH]), false
  set_field('h', 'turn', string.format('%.0f', line))
end

-- A job comes in, or has moved to where its record says; `anew`: it is given its place where owners take turns.
local function came(rec, anew)
  local state = rec[STATE]
  if counts_for_owner(rec, state) then
    local name, waiting, last = owner_of(rec)
    if anew and state == ENQUEUED and rec[SPACING] >= 0 then
      take_turn(rec, last)
      last = rec[READY]
    end
    set_owner(name, waiting + 1, last)
  end
  moved[state] = moved[state] + 1
  if state == ENQUEUED then
    move(rec)
  elseif state == PROCESSING and rec[KEY] then
    change_running(rec[KEY], 1)
  end
end

-- A job leaves where its record says that it is.
local function left(rec)
  local state = rec[STATE]
  moved[state] = moved[state] - 1
  if counts_for_owner(rec, state) then
    local name, waiting, last = owner_of(rec)
    set_owner(name, math.max(waiting - 1, 0), last)
  end
  if state == ENQUEUED then
    move(rec)
  elseif state == PROCESSING then
    freed.f = true
    if rec[KEY] then
      change_running(rec[KEY], -1)
      freed['k' .. rec[KEY]] = true
    end
  end
end
