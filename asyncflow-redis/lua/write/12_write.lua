-- All is worked out, and then written.

out[1] = string.format('%.0f', now)
for n = 1, insert_count do out[#out + 1] = insert(inserts[n]) end
for n = 1, change_count do change_one(changes[n]) end
if claim_count > 0 then
  local claim_one = claiming(held_back, started)
  for n = 1, claim_count do claim_one(claims[n]) end
end

if requests[1] then
  local wanted, nth = {}, 0
  for n, request in ipairs(requests) do wanted[n] = request[2] end
  values('r', wanted, function(_, part)
    nth = nth + 1
    out[requests[nth][1]] = part or ''
  end)
end

-- Jobs go from the set of one state to that of another, and into the set of all or out of it.
local coming, going, all_in, all_out = {}, {}, {}, {}
for n = 1, #touched do
  local rec = touched[n]
  local id, was, is = rec[ID], rec[WAS], known[rec[ID]] == rec and rec[STATE]
  if was and was ~= is then table.insert(within(going, was), id) end
  if is then
    local list = within(coming, is)
    list[#list + 1], list[#list + 2] = text(due_of(rec)), id
    if not was then all_in[#all_in + 1], all_in[#all_in + 2] = '0', id end
  elseif was then
    all_out[#all_out + 1] = id
  end
end

-- Nothing has been written yet but to lines: whatever cannot be written is found now.
for state in pairs(coming) do redis.call('ZCARD', base .. 'd' .. state) end
for state in pairs(going) do redis.call('ZCARD', base .. 'd' .. state) end
if all_in[1] or all_out[1] then redis.call('ZCARD', base .. 'a') end
local lines = {}
for n = 1, #unlined do
  local rec = unlined[n]
  if rec[STOOD] or rec[STATE] == ENQUEUED then lines[rec[FLOW_VERSION]] = true end
end
for version in pairs(lines) do
  for _, kind in ipairs({ 'q', 'x', 'y' }) do redis.call('ZCARD', base .. kind .. version) end
end
if next(paying) then redis.call('ZCARD', base .. 's') end
for name, all in pairs(hashes) do
  if next(all.changed) then redis.call('HLEN', base .. name) end
end
if policy_count > 0 then redis.call('HLEN', base .. 'p') end
if next(versions) then redis.call('SCARD', base .. 'v') end
local held_back_before = (next(freed) or next(backs)) and redis.call('SCARD', base .. 'b')

-- A value that ends with its job, or one that is there already.
local function put_ending(kind, id, after)
  local value = puts[kind] and puts[kind][id]
  if value then
    puts[kind][id] = nil
    redis.call('SET', base .. kind .. id, value, 'PX', after)
  elseif not (drops[kind] and drops[kind][id]) then
    redis.call('PEXPIRE', base .. kind .. id, after)
  end
end

local plain, stays = {}, {}
local records = 0
for n = 1, #touched do
  local rec = touched[n]
  local id = rec[ID]
  if known[id] == rec then
    if rec[STATE] >= SUCCEEDED then
      local after = left_over(due_of(rec) - now)
      redis.call('SET', base .. 'j' .. id, kept(rec), 'PX', after)
      put_ending('o', id, after)
      put_ending('r', id, after)
      if rec[PROGRESS] == 1 then put_ending('p', id, after) end
    else
      plain[records + 1], plain[records + 2] = base .. 'j' .. id, kept(rec)
      records = records + 2
      if rec[WAS] and rec[WAS] >= SUCCEEDED then stays[#stays + 1] = id end
    end
  end
end
for key, use in pairs(puts.i or {}) do redis.call('SET', base .. 'i' .. key, use, 'PX', left_over(memory[key])) end
puts.i = nil
for kind, all in pairs(puts) do
  local prefix = base .. kind
  for name, value in pairs(all) do
    plain[records + 1], plain[records + 2] = prefix .. name, value
    records = records + 2
  end
end
call(plain, 'MSET')
for _, id in ipairs(stays) do
  for _, kind in ipairs({ 'r', 'o', 'p' }) do redis.call('PERSIST', base .. kind .. id) end
end
for _, policy in ipairs(policies) do redis.call('HSETNX', base .. 'p', policy[1], policy[2]) end
for name in pairs(versions) do redis.call('SADD', base .. 'v', name) end
write_lines()
for state, members in pairs(coming) do call(members, 'ZADD', base .. 'd' .. state) end
for state, members in pairs(going) do call(members, 'ZREM', base .. 'd' .. state) end
call(all_in, 'ZADD', base .. 'a')
call(all_out, 'ZREM', base .. 'a')
for name, members in pairs(stale) do call(members, 'ZREM', base .. name) end
for name in pairs(paying) do redis.call('ZADD', base .. 's', paid[name], name) end
if next(paying) then redis.call('ZREMRANGEBYSCORE', base .. 's', '-inf', now) end
for name, all in pairs(hashes) do
  local fields, gone = {}, {}
  for key in pairs(all.changed) do
    if all.known[key] then
      fields[#fields + 1] = key
      fields[#fields + 1] = all.known[key]
    else
      gone[#gone + 1] = key
    end
  end
  call(fields, 'HSET', base .. name)
  call(gone, 'HDEL', base .. name)
end
local rest = {}
for kind, all in pairs(drops) do
  local prefix = base .. kind
  for name in pairs(all) do rest[#rest + 1] = prefix .. name end
end
call(rest, 'UNLINK')

-- News; of jobs that were held back, too, for the sake of one that runs no more.
local function members(of)
  local all = {}
  for name in pairs(of) do all[#all + 1] = name end
  return all
end

if next(freed) and held_back_before > 0 then
  for _, name in ipairs(members(freed)) do fresh = redis.call('SREM', base .. 'b', name) > 0 or fresh end
end
call(members(backs), 'SADD', base .. 'b')
fresh = fresh and redis.call('ZCARD', base .. 'd' .. ENQUEUED) > 0
publish(fresh, marked, changed)
return out
