-- What of a flow is due, that of the longest past first: ids and records by turns. A record that this version cannot read does not count.
--
-- KEYS: what all keys of the flow begin with. ARGV: the time in microseconds, or nothing for the server's; how many at most; the newest
-- format that can be read.

local base, most, newest = KEYS[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000000 + time[2]
end
-- Records that are read in one go.
local STEP = 500
local found = {}

local function look(name)
  local from, count = 0, 0
  while count < most do
    local step = math.min(STEP, most)
    local got = redis.call('ZRANGEBYSCORE', name, '-inf', now, 'WITHSCORES', 'LIMIT', from, step)
    local keys, gone = {}, {}
    for n = 1, #got, 2 do keys[#keys + 1] = base .. 'j' .. got[n] end
    if #keys == 0 then return end
    local records = redis.call('MGET', unpack(keys))
    for n = 1, #keys do
      local raw, id = records[n], got[2 * n - 1]
      if raw then
        local format = string.byte(raw)
        if format and format <= newest then
          found[#found + 1] = { tonumber(got[2 * n]), id, raw }
          count = count + 1
        end
      elseif redis.call('EXISTS', keys[n]) == 0 then
        -- It went by itself, after all its time.
        gone[#gone + 1] = id
      end
    end
    if #gone > 0 then
      redis.call('ZREM', name, unpack(gone))
      redis.call('ZREM', base .. 'a', unpack(gone))
    end
    from = from + #keys - #gone
    if #keys < step then return end
  end
end

for state = 0, 5 do look(base .. 'd' .. state) end
table.sort(found, function(a, b) return a[1] < b[1] end)
local out = {}
for n = 1, math.min(most, #found) do
  local _, id, raw = unpack(found[n])
  out[#out + 1] = id
  out[#out + 1] = raw
  out[#out + 1] = string.byte(raw, 4) == 1 and redis.call('GET', base .. 'p' .. id) or false
end
return out
