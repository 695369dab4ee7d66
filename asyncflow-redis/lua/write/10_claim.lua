-- Jobs are taken. Where the answers wait for requests.
local requests = {}

-- Made just where there are any.
local function claiming(held_back, started)
  local lines_of, pop, leaps_of, leap, keyless_of, forget, follow
  -- Lines that are looked through already: claims without limits go on where those before them ended.
  local open = {}

  local function give(rec)
    tell(rec, rec[ID])
    -- What came with this batch, its sender has.
    local is_sent = puts.r and puts.r[rec[ID]]
    local is_large = not is_sent and rec[REQUEST_SIZE] > LARGE
    if not is_sent and not is_large then requests[#requests + 1] = { #out + 1, rec[ID] } end
    out[#out + 1] = is_large and rec[REQUEST_SIZE]
  end

  local function take(rec, claim)
    if started then started(claim, rec[KEY]) end
    apply(rec, claim[CLAIM_PATCH], claim[HOLDER])
    give(rec)
  end

  -- A claim that is asked again: the same jobs, their leases renewed, and nothing that a reader would see.
  local function again(claim, token, ids)
    local jobs = {}
    for at = 1, #ids, 16 do
      local rec = known[string.sub(ids, at, at + 15)]
      if type(rec) == 'table' and rec[STATE] == PROCESSING and rec[HELD] == 1 and rec[TOKEN] == token then
        jobs[#jobs + 1] = rec
      end
    end
    -- Of one rank, whoever asks sorts them by their ids.
    table.sort(jobs, function(a, b) return rank_of(a) < rank_of(b) end)
    local patch = claim[CLAIM_PATCH]
    local renewal = { -1, patch[DUE_KIND], patch[AFTER], 0, '', -1, 0, '', 0, 0, 1, 0, patch[MICROS] }
    for _, rec in ipairs(jobs) do
      apply(rec, renewal)
      give(rec)
    end
    return #jobs
  end

  local function claim_one(claim)
    local rec = known[claim[WHICH]]
    if type(rec) ~= 'table' or rec[STATE] ~= ENQUEUED then return 0 end
    if held_back then
      local held_by_what, wait = held_back(claim, rec[KEY])
      if held_by_what then return 0, wait end
    end
    take(rec, claim)
    return 1
  end

  local function claim_next(claim)
    if not pop then
      lines_of, pop, leaps_of, leap, keyless_of, forget, follow = lining()
      write_lines()
    elseif held_back then
      write_lines()
    end
    local lines, leaps, heads = not held_back and open[claim[WHICH]], nil, nil
    lines = lines or lines_of(claim[VERSIONS], math.max(2, claim[MOST_JOBS]))
    open[claim[WHICH]] = lines
    local room, jobs, passed = claim[MOST_BYTES], 0, 0
    -- Keys that have to wait, and how long if that is known.
    local waits, wait = {}, nil
    while jobs < claim[MOST_JOBS] do
      local found = pop(lines, heads)
      if not found then return jobs, wait end
      local rec, waiting, after = known[found.id], nil, nil
      if type(rec) == 'table' and rec[STATE] == ENQUEUED then
        local key = rec[KEY]
        if key and waits[key] then
          waiting, passed = 'key', passed + 1
        elseif held_back then
          waiting, after = held_back(claim, key)
          if waiting == 'flow' then return jobs, after end
          if waiting then waits[key] = true end
          if after then wait = math.min(wait or after, after) end
        end
        if not waiting then
          if jobs > 0 and rec[REQUEST_SIZE] > room then
            -- It stays where it stands. No time to wait, but bytes that were too many.
            if found.line then found.line.at = found.line.at - 1 end
            return jobs, 0
          end
          room, jobs = room - rec[REQUEST_SIZE], jobs + 1
          take(rec, claim)
        end
      elseif rec == MISSING or not rec[TOUCHED] and rec ~= UNREADABLE then
        forget(found)
      end
      if found.member and not waiting then
        follow(found, heads)
      elseif waiting and passed > MOST_PASSED and passed % PASSED_A_KEY == 0 and not heads then
        leaps = leaps or leaps_of(claim[VERSIONS])
        if leap(leaps, waits) then
          lines, heads = keyless_of(lines), leaps.heads
        end
      end
    end
    return jobs
  end

  return function(claim)
    local token, at, wait = claim[HOLDER], #out + 1, nil
    out[at], out[at + 1] = 0, false
    local ids = held_by(token)
    local jobs = ids ~= '' and again(claim, token, ids) or 0
    if jobs == 0 then
      if claim[PICK] == BY_ID then jobs, wait = claim_one(claim) else jobs, wait = claim_next(claim) end
    end
    out[at], out[at + 1] = jobs, wait and string.format('%.0f', wait) or false
  end
end
