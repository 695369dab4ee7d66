-- The part of a batch that is of one flow: all is read and checked, then worked out here, and written at the end.
--
-- KEYS: what all keys of the flow begin with. ARGV: the time in microseconds, or nothing for the server's; the channel of hints, or nothing;
-- the flow's name; how many inserts, changes and claims there are, and policies; then the arguments of each.

local base, channel, flow = KEYS[1], ARGV[2], ARGV[3]
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000000 + time[2]
end

local SCHEDULED, ENQUEUED, PROCESSING, SUCCEEDED, CANCELLED = 0, 1, 2, 3, 5
local FORGET = 2
-- A stamp that is none.
local NONE = -9223372036854775808
-- Arguments of one command, at most: Lua's stack is bounded.
local MOST = 1000

-- How a record is kept. What never changes stands behind, and is kept as it is. A time that may be far away is kept as two numbers, of
-- which the second may need all its 64 bits: it is added where it is read, and here just nearly.
local FORMAT = 1
local CHANGING = '>BBBBBi8i8i8i8c8i8c8c16c12'
local RECORD = CHANGING .. 'i8i8i8i8HbB'
local CHANGING_SIZE, SIZE, FIRST_NAME = 89, 141, 53
-- Where what stands in a record, as it is read.
local STATE, MARK, PROGRESS, HELD, VERSION, STARTED, ENDED = 2, 3, 4, 5, 6, 7, 8
local DUE, DUE_AFTER, READY, LEAD, TOKEN, TALLY = 9, 10, 11, 12, 13, 14
local CREATED, WORTH, SPACING, REQUEST_SIZE, FLOW_VERSION, NAMES = 15, 16, 17, 18, 19, 21
-- Beside what is kept: the part that never changes, the names in it, the job's id, whether it is to be written, whether its keys end.
local REST, OWNER, KEY, UNIQUE, ID, TOUCHED, ENDS, REPORT = 22, 23, 24, 25, 26, 27, 28, 29

local MISSING, UNREADABLE = 'missing', 'unreadable'
-- What is known of each job by its id.
local known = {}

local function whole(raw)
  return (struct.unpack('>i8', raw))
end

-- Reads the names behind a record; says whether they are as they should be.
local function names(rec)
  local flags, rest, at = rec[NAMES], rec[REST], FIRST_NAME
  local read = {}
  for n = 1, 3 do
    if flags % 2 == 1 then
      if #rest < at + 3 then return false end
      local size = struct.unpack('>I4', rest, at)
      read[n] = string.sub(rest, at + 4, at + 3 + size)
      at = at + 4 + size
    end
    flags = math.floor(flags / 2)
  end
  rec[OWNER], rec[KEY] = read[1], read[2] or read[1]
  rec[UNIQUE] = read[3] and (read[1] and #read[1] .. ':' .. read[1] or ':') .. read[3]
  return flags == 0 and at == #rest + 1
end

local function read(id, raw)
  if #raw < SIZE or string.byte(raw) ~= FORMAT then return UNREADABLE end
  local rec = { struct.unpack(RECORD, raw) }
  rec[REST], rec[ID] = string.sub(raw, CHANGING_SIZE + 1), id
  if rec[STATE] > CANCELLED or rec[MARK] > FORGET or rec[PROGRESS] > 1 or rec[HELD] > 1 then return UNREADABLE end
  if rec[VERSION] < 0 or rec[VERSION] >= 9007199254740992 then return UNREADABLE end
  if not names(rec) then return UNREADABLE end
  rec[ENDS] = rec[STATE] >= SUCCEEDED
  return rec
end

local function pack(rec)
  return struct.pack(CHANGING, unpack(rec, 1, TALLY)) .. rec[REST]
end

-- Calls a command with many arguments, some at a time.
local function call(args, ...)
  local before = { ... }
  local size = #before
  for from = 1, #args, MOST do
    local last = math.min(from + MOST - 1, #args)
    for n = from, last do before[size + n - from + 1] = args[n] end
    redis.call(unpack(before, 1, size + last - from + 1))
  end
end

-- The values of many keys, with what stands before each.
local function values(before, names, found)
  for from = 1, #names, MOST do
    local keys = {}
    for n = from, math.min(from + MOST - 1, #names) do keys[#keys + 1] = base .. before .. names[n] end
    local got = redis.call('MGET', unpack(keys))
    for n = 1, #keys do found(names[from + n - 1], got[n]) end
  end
end

-- Reads the records that are not known yet.
local function load(ids)
  local unknown, missing = {}, {}
  for _, id in ipairs(ids) do
    if not known[id] then
      known[id] = MISSING
      unknown[#unknown + 1] = id
    end
  end
  values('j', unknown, function(id, raw)
    if raw then known[id] = read(id, raw) else missing[#missing + 1] = id end
  end)
  -- What is no string is not missing: it is not ours, and stays.
  for from = 1, #missing, MOST do
    local keys = {}
    for n = from, math.min(from + MOST - 1, #missing) do keys[#keys + 1] = base .. 'j' .. missing[n] end
    if redis.call('EXISTS', unpack(keys)) > 0 then
      for n, key in ipairs(keys) do
        if redis.call('EXISTS', key) == 1 then known[missing[from + n - 1]] = UNREADABLE end
      end
    end
  end
end

local function due_of(rec)
  return rec[DUE] + whole(rec[DUE_AFTER])
end

local function rank_of(rec)
  return rec[READY] - whole(rec[LEAD])
end

local function is_live(rec)
  return rec[STATE] < SUCCEEDED and rec[MARK] < FORGET
end

-- By bytes: Lua's own comparison goes by the server's language.
local function is_before(rank, id, other_rank, other_id)
  if rank ~= other_rank or id == other_id then return rank < other_rank end
  local a, b, c, d = struct.unpack('>I4I4I4I4', id)
  local e, f, g, h = struct.unpack('>I4I4I4I4', other_id)
  if a ~= e then return a < e elseif b ~= f then return b < f elseif c ~= g then return c < g else return d < h end
end
