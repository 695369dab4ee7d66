-- The same keys as the store's, written as one would by hand who needs nothing else. A start is an id, a token, a record and a request; a
-- finish is an id, a token, a record and a result.
local base, starts = KEYS[1], tonumber(ARGV[1])
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local out, changed = {}, {}
local at = 2
for n = 1, starts do
  local id, token, record, request = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]
  at = at + 4
  if redis.call('EXISTS', base .. 'j' .. id) == 0 and redis.call('ZCARD', base .. 'd1') < 1000000 then
    redis.call('SET', base .. 'j' .. id, record)
    redis.call('SET', base .. 'r' .. id, request)
    redis.call('SET', base .. 't' .. token, id)
    redis.call('ZADD', base .. 'a', 0, id)
    redis.call('ZADD', base .. 'd2', now + 30000000, id)
    out[#out + 1] = record
    changed[#changed + 1] = id
  end
end
while at < #ARGV do
  local id, token, record, result = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]
  at = at + 4
  local held = redis.call('GET', base .. 'j' .. id)
  if string.sub(held, 61, 76) == token then
    redis.call('SET', base .. 'j' .. id, record, 'PX', 172800000)
    redis.call('SET', base .. 'o' .. id, result, 'PX', 172800000)
    redis.call('UNLINK', base .. 'r' .. id, base .. 't' .. token)
    redis.call('ZREM', base .. 'd2', id)
    redis.call('ZADD', base .. 'd3', now + 86400000000, id)
    out[#out + 1] = record
    changed[#changed + 1] = id
  end
end
redis.call('PUBLISH', base, table.concat(changed))
return out
