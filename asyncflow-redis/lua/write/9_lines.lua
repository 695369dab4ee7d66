-- The ready jobs of some versions of a flow, in order, so that those of keys that have to wait are passed over. Made just where jobs are
-- taken by their rank.
--
-- They are looked through one by one. Once some were passed over, the first job of each key is looked for beside that, by leaps: whichever
-- comes to its end first is gone by. So it costs nothing how many jobs of a few keys wait, nor how many keys do whose jobs are near.

local function lining()
  -- By bytes: Lua's own comparison goes by the server's language.
  local function is_before(rank, id, other_rank, other_id)
    if rank ~= other_rank or id == other_id then return rank < other_rank end
    local a, b, c, d = struct.unpack('>I4I4I4I4', id)
    local e, f, g, h = struct.unpack('>I4I4I4I4', other_id)
    if a ~= e then return a < e elseif b ~= f then return b < f elseif c ~= g then return c < g else return d < h end
  end

  -- Some are read at a time. What is taken meanwhile is taken out at the end, so that places stay.
  local function first_of(line)
    if line.at > #line.jobs and line.most > 0 then
      local got = redis.call('ZRANGE', base .. line.name, line.from, line.from + line.most - 1, 'WITHSCORES')
      local ids = {}
      line.jobs, line.at = {}, 1
      for n = 1, #got, 2 do
        ids[#ids + 1] = got[n]
        line.jobs[#line.jobs + 1] = { id = got[n], rank = tonumber(got[n + 1]), line = line }
      end
      load(ids)
      line.from = line.from + #ids
      line.most = #ids < line.most and 0 or math.min(line.most * 2, MOST_READ)
    end
    return line.jobs[line.at]
  end

  local function group(key)
    return struct.pack('>I4', #key) .. key
  end

  -- What is behind all jobs of a key.
  local function behind(key)
    return '(' .. group(key) .. string.rep('\255', 25)
  end

  -- The first job of a key from a place on.
  local function next_of_key(name, key, from)
    local member = redis.call('ZRANGEBYLEX', base .. name, from, behind(key), 'LIMIT', 0, 1)[1]
    if not member then return nil end
    local id, bytes = string.sub(member, -16), string.sub(member, -24, -17)
    load({ id })
    local rank = whole(string.char((string.byte(bytes) + 128) % 256) .. string.sub(bytes, 2))
    return { id = id, rank = rank, name = name, key = key, member = member }
  end

  -- Puts the first job of a key in its place: the first one of all stands last.
  local function put_head(heads, head)
    local at = #heads + 1
    while at > 1 and is_before(heads[at - 1].rank, heads[at - 1].id, head.rank, head.id) do at = at - 1 end
    table.insert(heads, at, head)
  end

  -- The first job of each key that need not wait, as far as keys were looked at.
  local function leaps_of(versions)
    return { heads = {}, versions = versions, at = 1, from = '-' }
  end

  -- Looks at the next key; says whether there was none. What this call has taken may be a head still, which is found out when it is next.
  local function leap(leaps, waits)
    while leaps.at <= #leaps.versions do
      local name = 'x' .. leaps.versions[leaps.at]
      local member = redis.call('ZRANGEBYLEX', base .. name, leaps.from, '+', 'LIMIT', 0, 1)[1]
      if member then
        local key = string.sub(member, 5, -25)
        local head = not waits[key] and next_of_key(name, key, '[' .. group(key))
        if head then leaps.heads[#leaps.heads + 1] = head end
        leaps.from = behind(key)
        return false
      end
      leaps.at, leaps.from = leaps.at + 1, '-'
    end
    table.sort(leaps.heads, function(a, b) return is_before(b.rank, b.id, a.rank, a.id) end)
    return true
  end

  -- The lines of some versions: those without keys, and those with.
  local function lines_of(versions, most)
    local lines = {}
    for _, version in ipairs(versions) do
      for _, kind in ipairs({ 'q', 'y' }) do
        lines[#lines + 1] = { name = kind .. version, from = 0, jobs = {}, at = 1, most = math.min(most, MOST_READ), keyed = kind == 'y' }
      end
    end
    return lines
  end

  -- The first job of all lines and heads, which is taken out of its line.
  local function pop(lines, heads)
    local found = heads and heads[#heads]
    for _, line in ipairs(lines) do
      local first = first_of(line)
      if first and (not found or is_before(first.rank, first.id, found.rank, found.id)) then found = first end
    end
    if found and found.line then
      found.line.at = found.line.at + 1
    elseif found then
      table.remove(heads)
    end
    return found
  end

  -- The lines of jobs without keys.
  local function keyless_of(lines)
    local keyless = {}
    for _, line in ipairs(lines) do
      if not line.keyed then keyless[#keyless + 1] = line end
    end
    return keyless
  end

  -- A job that is no longer there, or not ready, does not stand in line.
  local function forget(found)
    table.insert(within(stale, found.member and found.name or found.line.name), found.member or found.id)
    if known[found.id] == MISSING then table.insert(within(stale, 'd' .. ENQUEUED), found.id) end
  end

  -- The next job of its key comes in its place.
  local function follow(found, heads)
    local following = next_of_key(found.name, found.key, '(' .. found.member)
    if following then put_head(heads, following) end
  end

  return lines_of, pop, leaps_of, leap, keyless_of, forget, follow
end
