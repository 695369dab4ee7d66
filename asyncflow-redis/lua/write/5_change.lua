-- A record becomes what a patch says, as `Patch::apply` does it.

local PATCH = '>bBc8Bc8bBc12BBBB'
local TO, DUE_KIND, AFTER, HAS_LEAD, NEW_LEAD, NEW_MARK, HAS_TALLY, NEW_TALLY = 1, 2, 3, 4, 5, 6, 7, 8
local PROGRESS_KIND, PARTS, QUIET, PURGE = 9, 10, 11, 12
local IN, PURGE_IN = 1, 2
-- The youngest age at which a record may be purged, in microseconds.
local YOUNGEST = 60000000
local KEEP, RESULT, ERROR, DROP = 0, 1, 2, 3

-- What there is to tell: jobs that readers may see changed, jobs that were asked to stop, whether there are ready jobs that were not before.
local changed, marked = {}, {}
local ready = false
local out = {}

-- Patches that were read already: whole batches have the same few.
local patches = {}

local function patch_of(bytes)
  local patch = patches[bytes]
  if not patch then
    patch = { struct.unpack(PATCH, bytes) }
    patches[bytes] = patch
  end
  return patch
end

local function put_due(rec, patch)
  rec[DUE], rec[DUE_AFTER] = now, patch[AFTER]
  if patch[DUE_KIND] == PURGE_IN and due_of(rec) < rec[CREATED] + YOUNGEST then
    rec[DUE], rec[DUE_AFTER] = rec[CREATED], struct.pack('>i8', YOUNGEST)
  end
end

local function put_progress(rec, progress)
  if progress then
    put('p' .. rec[ID], progress)
  elseif rec[PROGRESS] == 1 then
    drop('p' .. rec[ID])
  end
  rec[PROGRESS], rec[REPORT] = progress and 1 or 0, progress
end

local function put_parts(id, what, part)
  if what == RESULT or what == ERROR then put('o' .. id, part) end
  if what == RESULT or what == DROP then drop('r' .. id) end
  if what == DROP then drop('o' .. id) end
end

local function keep_unique(rec, lived)
  local lives = known[rec[ID]] == rec and is_live(rec)
  if not rec[UNIQUE] or lives == lived then return end
  if lives then
    set_field('n', rec[UNIQUE], rec[ID])
  elseif field('n', rec[UNIQUE]) == rec[ID] then
    set_field('n', rec[UNIQUE], nil)
  end
end

local function purge(rec)
  local id, lived = rec[ID], is_live(rec)
  left(rec)
  let_go(rec)
  remove('a', id)
  known[id] = MISSING
  keep_unique(rec, lived)
  for _, kind in ipairs({ 'j', 'r', 'o' }) do drop(kind .. id) end
  if rec[PROGRESS] == 1 then drop('p' .. id) end
  changed[#changed + 1] = id
end

local function apply(rec, patch, token, progress, part)
  local from, to, lived = rec[STATE], patch[TO], is_live(rec)
  local moves = to >= 0 or patch[HAS_LEAD] == 1
  touch(rec)
  if moves then left(rec) end
  if to >= 0 then
    rec[STATE] = to
    let_go(rec)
    if to == PROCESSING then
      rec[STARTED] = now
      if token then hold(rec, token) end
    elseif to >= SUCCEEDED then
      rec[ENDED] = now
    end
  end
  if patch[DUE_KIND] > 0 then put_due(rec, patch) end
  if patch[HAS_LEAD] == 1 then rec[READY], rec[LEAD] = now, patch[NEW_LEAD] end
  if patch[NEW_MARK] >= 0 then
    rec[MARK] = patch[NEW_MARK]
    marked[#marked + 1] = rec[ID]
  end
  if patch[HAS_TALLY] == 1 then rec[TALLY] = patch[NEW_TALLY] end
  if patch[PROGRESS_KIND] > 0 then put_progress(rec, progress) end
  if patch[QUIET] == 0 then
    rec[VERSION] = rec[VERSION] + 1
    changed[#changed + 1] = rec[ID]
  end
  if moves then
    if from == ENQUEUED and rec[STATE] == PROCESSING then taken(rec) end
    came(rec, patch[HAS_LEAD] == 1)
  elseif patch[DUE_KIND] > 0 then
    add('d' .. rec[STATE], rec[ID], due_of(rec))
  end
  put_parts(rec[ID], patch[PARTS], part)
  keep_unique(rec, lived)
end

-- Answers a record, with its progress behind it where it has some.
local function tell(rec, before)
  out[#out + 1] = before .. pack(rec)
  if rec[PROGRESS] == 1 then
    out[#out + 1] = rec[REPORT] or redis.call('GET', base .. 'p' .. rec[ID])
  end
end

local GUARD = '>c16BI8i8c16i8B'
local BY_VERSION, BY_HOLDER = 0, 1

local function admits(rec, kind, version, due, token, since, knows)
  if kind == BY_HOLDER then
    local holds = rec[STATE] == PROCESSING and rec[HELD] == 1 and rec[TOKEN] == token and rec[STARTED] == since
    return holds and rec[MARK] <= knows
  end
  return rec[VERSION] == version and (kind == BY_VERSION or due_of(rec) == due and due <= now)
end

local function change_one(change)
  local rec, patch = known[change.id], change.patch
  if rec == MISSING then
    out[#out + 1] = 'M'
  elseif not admits(rec, unpack(change.guard)) then
    tell(rec, 'R')
  elseif patch[PURGE] == 1 then
    tell(rec, 'A')
    purge(rec)
  else
    apply(rec, patch, nil, change.progress, change.part)
    tell(rec, 'A')
  end
end
