-- All is read, then worked out, then written.

local function unreadable(id)
  local raw = redis.pcall('GET', base .. 'j' .. id)
  local format = type(raw) == 'string' and string.byte(raw) or FORMAT
  local hex = string.gsub(id, '.', function(byte) return string.format('%02x', string.byte(byte)) end)
  return redis.error_reply(string.format('ASYNCFLOW unreadable %s %d', hex, format))
end

load(ids)
local beside = {}
for _, new in ipairs(inserts) do
  local unique = new.record[UNIQUE]
  local other = unique and field('n', unique)
  if other then beside[#beside + 1] = other end
end
load(beside)
for _, new in ipairs(inserts) do beside[#beside + 1] = new.record[ID] end
for _, change in ipairs(changes) do
  local rec = known[change.id]
  beside[#beside + 1] = change.id
  if type(rec) == 'table' and rec[HELD] == 1 and change.patch[TO] >= 0 then
    tokens[#tokens + 1] = rec[TOKEN]
    if rec[KEY] then limited[#limited + 1] = rec[KEY] end
  end
end
for _, id in ipairs(beside) do
  if known[id] == UNREADABLE then return unreadable(id) end
end
values('i', keys, function(key, use) uses[key] = use and #use == USE_SIZE and string.byte(use) == FORMAT and use end)
load_fields('w', owners)
load_fields('u', limited)
values('t', tokens, function(token, kept) held[token] = kept or '' end)
for _, claim in ipairs(claims) do
  local of_token, again = held[claim.limits[1]], {}
  for from = 1, #of_token, 16 do again[#again + 1] = string.sub(of_token, from, from + 15) end
  load(again)
end

out[1] = string.format('%.0f', now)
for _, new in ipairs(inserts) do out[#out + 1] = insert(new) end
for _, change in ipairs(changes) do change_one(change) end
for _, claim in ipairs(claims) do take_all(claim) end

local wanted = {}
for n, request in ipairs(requests) do wanted[n] = request[2] end
local nth = 0
values('r', wanted, function(_, part)
  nth = nth + 1
  out[requests[nth][1]] = part or ''
end)

-- Nothing has been written yet but to lines: whatever cannot be written is found now.
for name in pairs(sets) do redis.call('ZCARD', base .. name) end
for name in pairs(hashes) do redis.call('HLEN', base .. name) end
if #policies > 0 then redis.call('HLEN', base .. 'p') end
if next(versions) then redis.call('SCARD', base .. 'v') end
if next(freed) or next(backs) then redis.call('SCARD', base .. 'b') end

-- A margin of a day: what nodes purge is gone long before it goes by itself.
local MARGIN, LONGEST = 86400000, 1e13

for _, rec in ipairs(touched) do
  local id = rec[ID]
  if known[id] == rec then
    put('j' .. id, pack(rec))
    if rec[STATE] >= SUCCEEDED then
      for _, kind in ipairs({ 'j', 'r', 'o', 'p' }) do
        if (kind ~= 'p' or rec[PROGRESS] == 1) and not drops[kind .. id] then ends[kind .. id] = due_of(rec) - now end
      end
    elseif rec[ENDS] then
      for _, kind in ipairs({ 'r', 'o', 'p' }) do stays[#stays + 1] = kind .. id end
    end
  end
end
local plain, rest = {}, {}
for name, value in pairs(puts) do
  if not ends[name] then
    plain[#plain + 1] = base .. name
    plain[#plain + 1] = value
  end
end
call(plain, 'MSET')
for name, after in pairs(ends) do
  local left_over = math.min(math.ceil(math.max(after, 0) / 1000) + MARGIN, LONGEST)
  if puts[name] then
    redis.call('SET', base .. name, puts[name], 'PX', left_over)
  else
    redis.call('PEXPIRE', base .. name, left_over)
  end
end
for _, policy in ipairs(policies) do redis.call('HSETNX', base .. 'p', policy[1], policy[2]) end
local paid_back = sets.s
for name in pairs(sets) do
  local kind = string.sub(name, 1, 1)
  local came_in = settle(name)
  ready = ready or came_in and (kind == 'q' or kind == 'y')
end
if paid_back then redis.call('ZREMRANGEBYSCORE', base .. 's', '-inf', now) end
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
for version in pairs(versions) do redis.call('SADD', base .. 'v', version) end
for _, name in ipairs(stays) do redis.call('PERSIST', base .. name) end
for name in pairs(drops) do rest[#rest + 1] = base .. name end
call(rest, 'UNLINK')

-- News: of jobs that were held back, too, for the sake of one that runs no more.
local function members(of)
  local all = {}
  for name in pairs(of) do all[#all + 1] = name end
  return all
end

if next(freed) then
  for _, name in ipairs(members(freed)) do ready = redis.call('SREM', base .. 'b', name) > 0 or ready end
end
call(members(backs), 'SADD', base .. 'b')
ready = ready and count(ENQUEUED) > 0
if channel ~= '' and (ready or #changed > 0 or #marked > 0) then
  local head = struct.pack('>HBI4', #flow, ready and 1 or 0, #marked)
  redis.call('PUBLISH', channel, head .. flow .. table.concat(marked) .. table.concat(changed))
end
return out
