-- The part of a batch that is of one flow: all is read and checked, then worked out here, and written at the end.
--
-- KEYS: what all keys of the flow begin with. ARGV: the time in microseconds, or nothing for the server's; the channel of hints, or nothing;
-- the flow's name; how many policies, inserts, changes and claims there are, and whether they are plain; then the arguments of each. Words in
-- capitals: `words.txt`.

local base, channel, flow = KEYS[1], ARGV[2], ARGV[3]
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000000 + time[2]
end
local policy_count, insert_count, change_count, claim_count, is_plain = struct.unpack('>I4I4I4I4B', ARGV[4])
local NOBODY, NO_TALLY = string.rep('\0', 16), string.rep('\0', 12)

local function whole(raw)
  return (struct.unpack('>i8', raw))
end

-- Calls a command with many arguments, some at a time.
local function call(args, command, name)
  for from = 1, #args, MOST_ARGUMENTS do
    local last = math.min(from + MOST_ARGUMENTS - 1, #args)
    if name then
      redis.call(command, name, unpack(args, from, last))
    else
      redis.call(command, unpack(args, from, last))
    end
  end
end

-- Numbers as commands take them: most of a batch's are the same, and writing one out costs more than a look.
local texts = {}

local function text(number)
  local written = texts[number]
  if not written then
    written = string.format('%.17g', number)
    texts[number] = written
  end
  return written
end

-- For how many milliseconds a value is kept that may go in so many microseconds.
local function left_over(micros)
  return text(math.min(math.ceil(math.max(micros, 0) / 1000) + MARGIN, LONGEST))
end

local function within(all, name)
  local one = all[name]
  if not one then
    one = {}
    all[name] = one
  end
  return one
end

-- Tells whoever listens: whether lines got jobs and which ones were asked to stop, and those whose readers wait: which ones changed.
local function publish(fresh, marked, changed)
  if channel ~= '' and (fresh or marked[1]) then
    redis.call('PUBLISH', channel, struct.pack('>HBI4', #flow, fresh and 1 or 0, #marked) .. flow .. table.concat(marked))
  end
  if channel ~= '' and changed[1] then
    redis.call('PUBLISH', channel .. CHANGES, struct.pack('>HBI4', #flow, 0, 0) .. flow .. table.concat(changed))
  end
end
