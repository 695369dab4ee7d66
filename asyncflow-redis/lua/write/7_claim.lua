-- Jobs are taken.

local CLAIM = '>c16Bdddddddd'
local BY_ID = 0
local JOBS, BYTES = 9, 10
-- Where the answer waits for requests.
local requests = {}
local take_all

do
  -- Jobs that are passed over one by one before keys are, and that are looked at in one go.
  local MOST_PASSED, MOST_READ = 64, 64

  local function give(rec)
    tell(rec, rec[ID])
    local kept = 'r' .. rec[ID]
    -- What came with this batch, its sender has.
    if not puts[kept] then requests[#requests + 1] = { #out + 1, rec[ID] } end
    out[#out + 1] = false
  end

  local function take(rec, claim, limits)
    started(limits, rec[KEY])
    apply(rec, claim.patch, limits[1])
    give(rec)
  end

  -- A claim that is asked again: the same jobs, their leases renewed, and nothing that a reader would see.
  local function again(claim, token)
    local ids, jobs = held_by(token), {}
    for at = 1, #ids, 16 do
      local rec = known[string.sub(ids, at, at + 15)]
      if type(rec) == 'table' and rec[STATE] == PROCESSING and rec[HELD] == 1 and rec[TOKEN] == token then
        jobs[#jobs + 1] = rec
      end
    end
    table.sort(jobs, function(a, b) return is_before(rank_of(a), a[ID], rank_of(b), b[ID]) end)
    for _, rec in ipairs(jobs) do
      apply(rec, claim.renewal)
      give(rec)
    end
    return #jobs
  end

  local function claim_one(claim, limits)
    local rec = known[claim.id]
    if type(rec) ~= 'table' or rec[STATE] ~= ENQUEUED then return 0 end
    local held, wait = held_back(limits, rec[KEY])
    if held then return 0, wait end
    take(rec, claim, limits)
    return 1
  end

  -- Ready jobs in line, read some at a time. What is taken meanwhile is taken out of it at the end, so that places stay.
  local function stream(name, most)
    return { name = name, from = 0, read = {}, at = 1, most = math.min(most, MOST_READ) }
  end

  local function first_of(line)
    if line.at > #line.read and line.most > 0 then
      local got = redis.call('ZRANGE', base .. line.name, line.from, line.from + line.most - 1, 'WITHSCORES')
      local ids = {}
      line.read, line.at = {}, 1
      for n = 1, #got, 2 do
        ids[#ids + 1] = got[n]
        line.read[#line.read + 1] = { id = got[n], rank = tonumber(got[n + 1]) }
      end
      load(ids)
      line.from = line.from + #ids
      line.most = #ids < line.most and 0 or math.min(line.most * 2, MOST_READ)
    end
    return line.read[line.at]
  end

  -- The first job of a key behind a place.
  local function next_of_key(name, key, behind)
    local found = redis.call('ZRANGEBYLEX', base .. name, behind, '(' .. group(key) .. string.rep('\255', 25), 'LIMIT', 0, 1)
    local member = found[1]
    if not member then return nil end
    local id = string.sub(member, -16)
    load({ id })
    local bytes = string.sub(member, -24, -17)
    local rank = whole(string.char((string.byte(bytes) + 128) % 256) .. string.sub(bytes, 2))
    return { id = id, rank = rank, name = name, key = key, member = member }
  end

  -- Puts the first job of a key in its place: the first one stands last.
  local function put_head(heads, head)
    local at = #heads + 1
    while at > 1 and is_before(heads[at - 1].rank, heads[at - 1].id, head.rank, head.id) do at = at - 1 end
    table.insert(heads, at, head)
  end

  -- The first job of each key that need not wait: what waits behind it costs nothing.
  local function leap(versions, waits)
    local heads = {}
    for _, version in ipairs(versions) do
      local name, from = 'x' .. version, '-'
      settle(name)
      while true do
        local member = redis.call('ZRANGEBYLEX', base .. name, from, '+', 'LIMIT', 0, 1)[1]
        if not member then break end
        local key = string.sub(member, 5, -25)
        if not waits[key] then
          local head = next_of_key(name, key, '[' .. group(key))
          if head then heads[#heads + 1] = head end
        end
        from = '(' .. group(key) .. string.rep('\255', 25)
      end
    end
    table.sort(heads, function(a, b) return is_before(b.rank, b.id, a.rank, a.id) end)
    return heads
  end

  -- The lines of some versions of a flow, as a claim looks through them.
  local function lines_of(versions, most)
    local lines = {}
    for _, version in ipairs(versions) do
      for _, kind in ipairs({ 'q', 'y' }) do
        ready = settle(kind .. version) or ready
        lines[#lines + 1] = stream(kind .. version, most)
      end
    end
    return lines
  end

  -- A job that is no longer there, or not ready, does not stand in line.
  local function forget(next)
    if next.member then
      remove(next.name, next.member)
    else
      remove(next.line.name, next.id)
    end
    if known[next.id] == MISSING then remove('d' .. ENQUEUED, next.id) end
  end

  local function claim_next(claim, limits)
    local versions, room, jobs, passed = claim.versions, limits[BYTES], 0, 0
    local lines, heads = lines_of(versions, math.max(2, limits[JOBS])), nil
    -- Keys that have to wait, and how long if that is known.
    local waits, wait = {}, nil
    while jobs < limits[JOBS] do
      local next = heads and heads[#heads]
      for _, line in ipairs(lines) do
        local first = first_of(line)
        if first and (not next or is_before(first.rank, first.id, next.rank, next.id)) then
          first.line, next = line, first
        end
      end
      if not next then return jobs, wait end
      if next.line then next.line.at = next.line.at + 1 else table.remove(heads) end
      local rec = known[next.id]
      local key, held, after = nil, nil, nil
      if type(rec) == 'table' and rec[STATE] == ENQUEUED then
        key = rec[KEY]
        if key and waits[key] then
          held = 'key'
          passed = passed + 1
        else
          held, after = held_back(limits, key)
          if held == 'flow' then return jobs, after end
          if held == 'key' then
            waits[key] = true
            if after then wait = math.min(wait or after, after) end
          end
        end
        if not held then
          -- No time to wait, but bytes that were too many.
          if jobs > 0 and rec[REQUEST_SIZE] > room then return jobs, 0 end
          room = room - rec[REQUEST_SIZE]
          take(rec, claim, limits)
          jobs = jobs + 1
        end
      elseif rec ~= UNREADABLE then
        forget(next)
      end
      if next.member and not held then
        local then_ = next_of_key(next.name, next.key, '(' .. next.member)
        if then_ then put_head(heads, then_) end
      elseif passed > MOST_PASSED and not heads then
        local keyless = {}
        for _, line in ipairs(lines) do
          if string.sub(line.name, 1, 1) == 'q' then keyless[#keyless + 1] = line end
        end
        lines, heads = keyless, leap(versions, waits)
      end
    end
    return jobs
  end

  function take_all(claim)
    local limits = claim.limits
    local at = #out + 1
    out[at], out[at + 1] = 0, false
    local jobs, wait = again(claim, limits[1]), nil
    if jobs == 0 then
      if limits[2] == BY_ID then jobs, wait = claim_one(claim, limits) else jobs, wait = claim_next(claim, limits) end
    end
    out[at], out[at + 1] = jobs, wait and string.format('%.0f', wait) or false
  end
end
