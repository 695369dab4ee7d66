-- A record becomes what a patch says, as `Patch::apply` does it.

-- What there is to tell: jobs that readers may see changed, jobs that were asked to stop; and the answers.
local changed, marked, out = {}, {}, {}
-- Patches that were read already: whole batches have the same few.
local patches = {}

local function patch_of(bytes)
  local patch = patches[bytes]
  if not patch then
    patch = { struct.unpack(PATCH_FORMAT, bytes) }
    patch[MICROS] = whole(patch[AFTER])
    patches[bytes] = patch
  end
  return patch
end

local function put_due(rec, patch)
  rec[DUE_FROM], rec[DUE_AFTER], rec[DUE] = now, patch[AFTER], now + patch[MICROS]
  if patch[DUE_KIND] == PURGE_IN and rec[DUE] < rec[CREATED] + YOUNGEST then
    rec[DUE_FROM], rec[DUE_AFTER], rec[DUE] = rec[CREATED], struct.pack('>i8', YOUNGEST), false
  end
end

local function put_progress(rec, progress)
  if progress then
    put('p', rec[ID], progress)
  elseif rec[PROGRESS] == 1 then
    drop('p', rec[ID])
  end
  rec[PROGRESS], rec[REPORT] = progress and 1 or 0, progress or false
end

-- Says who lives under a unique key, once that has changed.
local function keep_unique(rec, lived)
  local lives = known[rec[ID]] == rec and is_live(rec)
  if lives == lived then return end
  if lives then
    set_field('n', rec[UNIQUE], rec[ID])
  elseif field('n', rec[UNIQUE]) == rec[ID] then
    set_field('n', rec[UNIQUE], nil)
  end
end

-- `token` is a claim's, `progress` and `part` are what the patch brings.
local function apply(rec, patch, token, progress, part)
  local from, to, id, lived = rec[STATE], patch[TO], rec[ID], is_live(rec)
  local moves = to >= 0 or patch[HAS_LEAD] == 1
  rec[KEPT] = false
  if not rec[TOUCHED] then touch(rec) end
  if moves then left(rec) end
  if to >= 0 then
    rec[STATE] = to
    if rec[HELD] == 1 then let_go(rec) end
    if to == PROCESSING then
      rec[STARTED] = now
      if token then
        set_held(token, held_by(token) .. id)
        rec[HELD], rec[TOKEN] = 1, token
      end
    elseif to >= SUCCEEDED then
      rec[ENDED] = now
    end
  end
  if patch[DUE_KIND] > 0 then put_due(rec, patch) end
  if patch[HAS_LEAD] == 1 then rec[READY], rec[LEAD], rec[RANK] = now, patch[NEW_LEAD], false end
  if patch[NEW_MARK] >= 0 then
    rec[MARK] = patch[NEW_MARK]
    marked[#marked + 1] = id
  end
  if patch[HAS_TALLY] == 1 then rec[TALLY] = patch[NEW_TALLY] end
  if patch[PROGRESS_KIND] > 0 then put_progress(rec, progress) end
  if patch[QUIET] == 0 then
    rec[VERSION] = rec[VERSION] + 1
    changed[#changed + 1] = id
  end
  if moves then
    if from == ENQUEUED and rec[STATE] == PROCESSING and rec[SPACING] >= 0 then
      -- Never backwards: one that was held back, or handed back, has an old place, and who comes new must not be put there.
      local turn = math.max(tonumber(field('h', 'turn')) or 0, ready_at(rec))
      set_field('h', 'turn', string.format('%.0f', turn))
    end
    came(rec, patch[HAS_LEAD] == 1)
  end
  local parts = patch[PARTS]
  if parts > 0 then
    if part then put('o', id, part) end
    if parts ~= ERROR then drop('r', id) end
    if parts == DROP then drop('o', id) end
  end
  if rec[UNIQUE] then keep_unique(rec, lived) end
end

-- Answers a record, with its progress behind it where it has some.
local function tell(rec, before)
  out[#out + 1], out[#out + 2] = before, kept(rec)
  if rec[PROGRESS] == 1 then
    out[#out + 1] = rec[REPORT] or redis.call('GET', base .. 'p' .. rec[ID])
  end
end

local function purge(rec)
  local id, lived = rec[ID], is_live(rec)
  left(rec)
  if rec[HELD] == 1 then let_go(rec) end
  if not rec[TOUCHED] then touch(rec) end
  known[id] = MISSING
  if rec[UNIQUE] then keep_unique(rec, lived) end
  drop('j', id)
  drop('r', id)
  drop('o', id)
  if rec[PROGRESS] == 1 then drop('p', id) end
  changed[#changed + 1] = id
end

local function admits(rec, change)
  local kind = change[GUARD]
  if kind == BY_HOLDER then
    local holds = rec[STATE] == PROCESSING and rec[HELD] == 1 and rec[TOKEN] == change[GUARD_TOKEN]
    return holds and rec[STARTED] == change[GUARD_STARTED] and rec[MARK] <= change[GUARD_KNOWS]
  end
  local due = change[GUARD_DUE]
  return rec[VERSION] == change[GUARD_VERSION] and (kind == BY_VERSION or due_of(rec) == due and due <= now)
end

local function change_one(change)
  local rec, patch = known[change[CHANGE_ID]], change[CHANGE_PATCH]
  if rec == MISSING then
    out[#out + 1] = 'M'
  elseif not admits(rec, change) then
    tell(rec, 'R')
  elseif patch[PURGE] == 1 then
    tell(rec, 'A')
    purge(rec)
  else
    apply(rec, patch, nil, change[CHANGE_REPORT], change[CHANGE_PART])
    tell(rec, 'A')
  end
end
