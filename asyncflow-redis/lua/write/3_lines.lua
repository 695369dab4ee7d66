-- Where a job stands: among those that are due, in line, with its owner, under its key, under its token.

local backs, freed, held = {}, {}, {}
local NOBODY = string.rep('\0', 16)

-- The place of a ready job among those of its key, in the order of bytes.
local function group(key)
  return struct.pack('>I4', #key) .. key
end

local function place(rec)
  -- What is further away than that stands at the end.
  local rank = math.max(-4e18, math.min(4e18, rank_of(rec)))
  local bytes = struct.pack('>i8', rank)
  return group(rec[KEY]) .. string.char((string.byte(bytes) + 128) % 256) .. string.sub(bytes, 2) .. rec[ID]
end

local function line_up(rec)
  local version = rec[FLOW_VERSION]
  if rec[KEY] then
    add('y' .. version, rec[ID], rank_of(rec))
    add('x' .. version, place(rec), 0)
  else
    add('q' .. version, rec[ID], rank_of(rec))
  end
end

local function step_out(rec)
  local version = rec[FLOW_VERSION]
  if rec[KEY] then
    remove('y' .. version, rec[ID])
    remove('x' .. version, place(rec))
  else
    remove('q' .. version, rec[ID])
  end
end

-- Whether a job in this state is one of its owner's waiting ones; nobody's count just where owners take turns.
local function counts_for_owner(rec, state)
  return state <= ENQUEUED and (rec[OWNER] or rec[SPACING] >= 0)
end

local function owner_field(owner)
  return owner and 'o' .. owner or 'n'
end

-- How many jobs of an owner wait, and where its last one stands that became ready.
local function owner_of(owner)
  local kept = field('w', owner_field(owner))
  if not kept then return 0, nil end
  local waiting, last = string.match(kept, '^(%d+) ?(%-?%d*)$')
  return tonumber(waiting) or 0, tonumber(last)
end

local function set_owner(owner, waiting, last)
  local kept = waiting > 0 and string.format('%.0f', waiting)
  -- Where none of its jobs wait, its next one does not stand behind those.
  if kept and last then kept = string.format('%s %.0f', kept, last) end
  set_field('w', owner_field(owner), kept)
end

local function change_owner(rec, by)
  local waiting, last = owner_of(rec[OWNER])
  set_owner(rec[OWNER], math.max(waiting + by, 0), last)
end

local function running(key)
  return tonumber(field('u', key)) or 0
end

local function change_running(rec, by)
  local key = rec[KEY]
  if not key then return end
  local jobs = running(key) + by
  set_field('u', key, jobs > 0 and string.format('%.0f', jobs))
end

-- The ids that a token holds, one behind the other.
local function held_by(token)
  if held[token] == nil then
    held[token] = redis.call('GET', base .. 't' .. token) or ''
  end
  return held[token]
end

local function set_held(token, ids)
  held[token] = ids
  if ids == '' then drop('t' .. token) else put('t' .. token, ids) end
end

local function hold(rec, token)
  set_held(token, held_by(token) .. rec[ID])
  rec[HELD], rec[TOKEN] = 1, token
end

local function let_go(rec)
  if rec[HELD] == 0 then return end
  local ids, at = held_by(rec[TOKEN]), 1
  repeat
    at = string.find(ids, rec[ID], at, true)
    if at and at % 16 == 1 then
      set_held(rec[TOKEN], string.sub(ids, 1, at - 1) .. string.sub(ids, at + 16))
      break
    end
    at = at and at + 1
  until not at
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
  rec[READY], rec[LEAD] = math.max(last or line, line) + rec[SPACING], struct.pack('>i8', rec[WORTH])
  set_field('h', 'turn', string.format('%.0f', line))
end

-- A job comes in, or has moved to where its record says; `anew`: it is given its place where owners take turns.
local function came(rec, anew)
  local state = rec[STATE]
  if counts_for_owner(rec, state) then
    local waiting, last = owner_of(rec[OWNER])
    if anew and state == ENQUEUED and rec[SPACING] >= 0 then
      take_turn(rec, last)
      last = rec[READY]
    end
    set_owner(rec[OWNER], waiting + 1, last)
  end
  moved[state] = moved[state] + 1
  add('d' .. state, rec[ID], due_of(rec))
  if state == ENQUEUED then line_up(rec) end
  if state == PROCESSING then change_running(rec, 1) end
end

-- A job leaves where its record says that it is.
local function left(rec)
  local state = rec[STATE]
  moved[state] = moved[state] - 1
  remove('d' .. state, rec[ID])
  if counts_for_owner(rec, state) then change_owner(rec, -1) end
  if state == ENQUEUED then step_out(rec) end
  if state == PROCESSING then
    change_running(rec, -1)
    freed.f = true
    if rec[KEY] then freed['k' .. rec[KEY]] = true end
  end
end

-- A ready job was taken.
local function taken(rec)
  if rec[SPACING] < 0 then return end
  -- Never backwards: one that was held back, or handed back, has an old place, and who comes new must not be put there.
  local turn = math.max(tonumber(field('h', 'turn')) or 0, ready_at(rec))
  set_field('h', 'turn', string.format('%.0f', turn))
end
