-- How many jobs of a flow there are in each state, and the record that is next in line.
--
-- KEYS: what all keys of the flow begin with.

local base = KEYS[1]
local out, ties = {}, {}
for state = 0, 5 do out[#out + 1] = redis.call('ZCARD', base .. 'd' .. state) end
local rank
for _, version in ipairs(redis.call('SMEMBERS', base .. 'v')) do
  for _, kind in ipairs({ 'q', 'y' }) do
    local first = redis.call('ZRANGE', base .. kind .. version, 0, 0, 'WITHSCORES')
    local own = tonumber(first[2])
    if own and (not rank or own <= rank) then
      if own ~= rank then ties = {} end
      rank = own
      ties[#ties + 1] = first[1]
    end
  end
end
-- Of one rank, whoever asks finds the first: by its id.
for _, id in ipairs(ties) do
  out[#out + 1] = id
  out[#out + 1] = redis.call('GET', base .. 'j' .. id)
end
return out
